/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which PCI functions share an IOMMU group, by example
 *
 * One row for each: name, functions, topology in the text form that
 * topology.h describes, and the groups under the policies compat, safe
 * and strict: one letter for each function in the order of the topology, the same
 * letter for those that share a group, "-" for one that is in none.  A row is
 *
 *   EXAMPLE("name", "functions", "topology", "compat", "safe", "strict")
 *
 * in one or more lines, with nothing but string literals, so that other programs
 * can read it.  EXAMPLE() is defined by whoever includes this.
 */

/* The worked examples: E, H and S */
EXAMPLE("E01", "RP A",
	"r.08.rp.a1d-1d,0.00.ep",
	"ab", "ab", "ab")
EXAMPLE("E02", "RP A",
	"r.08.rp,0.00.ep",
	"aa", "aa", "aa")
EXAMPLE("E03", "RP1 RP2 A1 A2",
	"r.08.rp,r.10.rp,0.00.ep,1.00.ep",
	"abab", "abab", "abab")
EXAMPLE("E04", "RP USP D1 D2 A B",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a1d-1d,1.08.dp.a1d-1d,2.00.ep,3.00.ep",
	"abcdef", "abcdef", "abcdef")
EXAMPLE("E05", "RP USP D1 D2 A B",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp,1.08.dp,2.00.ep,3.00.ep",
	"abcdcd", "abcccc", "abcccc")
EXAMPLE("E06", "RP USP D1 D2 A B",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a1d-1d,1.08.dp,2.00.ep,3.00.ep",
	"abcded", "abcccc", "abcccc")
EXAMPLE("S01", "RP USP D1 D2 A B",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a1d-0d,1.08.dp.a1d-1d,2.00.ep,3.00.ep",
	"abcdce", "abcdce", "abcdce")
EXAMPLE("S02", "RP USP D1 D2 A B",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a1d-19,1.08.dp.a1d-1d,2.00.ep,3.00.ep",
	"abcdce", "abcccc", "abcccc")
EXAMPLE("S03", "RP USP D1 D2 A B",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a3d-3d,1.08.dp.a1d-1d,2.00.ep,3.00.ep",
	"abcdef", "abcccc", "abcccc")
EXAMPLE("E09", "RP USP D1 D2 A B",
	"r.08.rp,0.00.up,1.00.dp.a1d-1d,1.08.dp.a1d-1d,2.00.ep,3.00.ep",
	"aaaaaa", "aaaaaa", "aaaaaa")
EXAMPLE("E10", "RP F0 F1",
	"r.08.rp.a1d-1d,0.00.ep.m,0.01.ep.m",
	"abb", "abb", "abb")
EXAMPLE("E11", "RP F0 F1",
	"r.08.rp.a1d-1d,0.00.ep.m,0.01.ep.m.a1d-1d",
	"abc", "abc", "abb")
EXAMPLE("H11", "RP F0 F1",
	"r.08.rp.a1d-1d,0.00.ep.m.a1d-00,0.01.ep.m.a1d-1d",
	"abc", "abb", "abb")
EXAMPLE("E12", "RP F0 F1",
	"r.08.rp.a1d-1d,0.00.ep.m.a00-00,0.01.ep.m.a00-00",
	"abc", "abc", "abc")
EXAMPLE("E13", "RP0 RP1 A B",
	"r.08.rp.m,r.09.rp.m.a1d-1d,0.00.ep,1.00.ep",
	"abac", "abac", "aaaa")
EXAMPLE("H13", "RP0 RP1 A B",
	"r.08.rp.m.a1d-00,r.09.rp.m.a1d-1d,0.00.ep,1.00.ep",
	"abac", "aaaa", "aaaa")
EXAMPLE("S04", "RP0 RP1 RP2 A B C",
	"r.08.rp.m.a1d-1c,r.09.rp.m.a1d-1d,r.0a.rp.m.a1d-1d,0.00.ep,1.00.ep,2.00.ep",
	"abcade", "abcade", "abcade")
EXAMPLE("E14", "F0 RP A",
	"r.08.ri.m,r.09.rp.m.a1d-1d,1.00.ep",
	"abc", "abc", "aaa")
EXAMPLE("S05", "18.0 18.1 18.2 18.3 18.4 18.5 18.6 18.7",
	"r.c0.ce.m.b.n.d,r.c1.ce.m.b.n.d,r.c2.ce.m.b.n.d,r.c3.ce.m.b.n.d,r.c4.ce.m.b.n.d,r.c5.ce.m.b.n.d,r.c6.ce.m.b.n.d,r.c7.ce.m.b.n.d",
	"aaaaaaaa", "aaaaaaaa", "aaaaaaaa")
EXAMPLE("S06", "F0 RP1 RP2 A B",
	"r.08.ce.m.b.n.d,r.09.rp.m.a1d-1d,r.0a.rp.m.a1d-1d,1.00.ep,2.00.ep",
	"abcde", "abcde", "abcde")
EXAMPLE("E17", "RP PB X Y",
	"r.08.rp.a1d-1d,0.00.pb,1.00.ce,1.08.ce",
	"abbb", "abbb", "abbb")
EXAMPLE("E18", "B X Y",
	"r.08.cb,0.00.ce,0.08.ce",
	"aaa", "aaa", "aaa")
EXAMPLE("E20", "RP PF VF1 VF2",
	"r.08.rp.a1d-1d,0.00.ep.v2-1-1",
	"abcd", "abcd", "abbb")
EXAMPLE("S07", "RP PF VF1 VF2",
	"r.08.rp.a1d-1d,0.00.ep.a1d-00.v2-1-1",
	"abcd", "abbb", "abbb")
EXAMPLE("S08", "RP PF VF1 VF2",
	"r.08.rp.a1d-1d,0.00.ep.a00-00.v2-1-1",
	"abcd", "abcd", "abcd")
EXAMPLE("S11", "RP PF0 PF1 V0 V1",
	"r.08.rp.a1d-1d,0.00.ep.m.a1d-00.v1-8-1,0.01.ep.m.a00-00.v1-8-1",
	"abcde", "abbbb", "abbbb")
EXAMPLE("S09", "D A",
	"r.08.dp,0.00.ep",
	"aa", "aa", "aa")
EXAMPLE("S10", "USP P0 P1 A",
	"r.08.up,0.00.rp.q2,0.08.rp.q2,1.00.ep",
	"abcd", "abcd", "abcd")
EXAMPLE("E23", "A B C",
	"r.08.ri,r.10.ri.l08.l18,r.18.ri",
	"aaa", "aaa", "aaa")
EXAMPLE("E25", "RP USP F1 D1 D2 A B",
	"r.08.rp.a1d-1d,0.00.up.m,0.01.ep.m,1.00.dp.a1d-1d,1.08.dp.a1d-1d,3.00.ep,4.00.ep",
	"abbbbbb", "abbbbbb", "abbbbbb")
EXAMPLE("E30", "RP F0 F1",
	"r.08.rp.a1d-00,0.00.ep.m,0.01.ep.m",
	"aaa", "aaa", "aaa")
EXAMPLE("E32", "X Y",
	"r.08.ce,r.10.ce",
	"ab", "ab", "ab")
EXAMPLE("E34", "1f.0 1f.2 1f.3",
	"r.f8.ce.m,r.fa.ce.m,r.fb.ce.m",
	"aaa", "aaa", "aaa")

/* R1: nobody answers at 04.0, and both use its number */
EXAMPLE("ghost_alias", "A B",
	"r.08.ri.l20,r.10.ri.l20",
	"aa", "aa", "aa")
EXAMPLE("ghost_alias_of_three", "A B C",
	"r.08.ri.l80,r.10.ri.l80.l88,r.18.ri.l88",
	"aaa", "aaa", "aaa")
EXAMPLE("ghost_alias_range", "A B C",
	"r.08.ri.l80-8f,r.10.ri.l8f,r.18.ri.l90",
	"aab", "aab", "aab")
EXAMPLE("chained_alias", "A B C",
	"r.08.ri.l10,r.10.ri.l18,r.18.ri",
	"aaa", "aaa", "aaa")

/* R1: the number of a bridge, without R2 between it and B */
EXAMPLE("alias_of_bridge", "A B X",
	"r.08.ri.l10,r.10.cb,1.00.ce",
	"aaa", "aaa", "aaa")

/* R1: buses are different, so are the numbers */
EXAMPLE("alias_on_another_bus", "RP A RP2 B",
	"r.08.rp.a1d-1d,0.00.ep.l08,r.10.rp.a1d-1d,2.00.ep.l08",
	"abcd", "abcd", "abcd")

/* R1: all use the number of one; R2 below the second root is as everywhere */
EXAMPLE("real_dma_device", "R RP A I B",
	"real=0,r.08.ri,s.00.rp.a1d-1d,1.00.ep,s.08.ri,r.10.ri",
	"aaaab", "aaaab", "aaaab")

/* R1 and R2 end at a bridge that translates, but not for earlier kernels */
EXAMPLE("xlate_root", "RP PB X Y",
	"r.08.rp.a1d-1d,0.00.pb.x,1.00.ce,1.08.ce",
	"abbb", "abcc", "abcc")
EXAMPLE("xlate_root_reverse", "RB A",
	"r.08.rb.x,0.00.ep",
	"aa", "ab", "ab")
EXAMPLE("xlate_root_below", "RP PB X",
	"r.08.rp,0.00.pb.x,1.00.ce",
	"aaa", "aab", "aab")
EXAMPLE("xlate_root_bridges", "B X B2 Y",
	"r.08.cb.x,0.00.ce,0.08.cb,2.00.ce",
	"aaaa", "abbb", "abbb")
EXAMPLE("no_alias_bridge", "RP PB X Y",
	"r.08.rp.a1d-1d,0.00.pb.k,1.00.ce,1.08.ce",
	"abbb", "abbb", "abbb")
EXAMPLE("flagged_bridge", "RP B X Y",
	"r.08.rp.a1d-1d,0.00.cb.f,1.08.ce,1.10.ce",
	"abbb", "abbb", "abbb")

/* R2a */
EXAMPLE("reverse_bridge_on_root_bus", "B A",
	"r.08.rb,0.00.ep",
	"aa", "aa", "aa")
EXAMPLE("reverse_bridge", "B X RB USP D1 A",
	"r.08.cb,0.00.ce,0.08.rb,2.00.up,3.00.dp.a1d-1d,4.00.ep",
	"aaaaaa", "aaaaaa", "aaaaaa")
EXAMPLE("conventional_in_conventional", "B B2 X Y",
	"r.08.cb,0.00.cb,1.00.ce,0.08.ce",
	"aaaa", "aaaa", "aaaa")

/* R2b */
EXAMPLE("inner_switch_open", "RP USP D1 D2 USP2 D3 D4 A B C",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a1d-1d,1.08.dp.a1d-1d,2.00.up,4.00.dp,4.08.dp,5.00.ep,6.00.ep,3.00.ep",
	"abcdefgfgh", "abcdeffffg", "abcdeffffg")
EXAMPLE("outer_switch_open", "RP USP D1 D2 USP2 D3 D4 A B C",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp,1.08.dp.a1d-1d,2.00.up,4.00.dp.a1d-1d,4.08.dp.a1d-1d,5.00.ep,6.00.ep,3.00.ep",
	"abcdccccce", "abcccccccc", "abcccccccc")
EXAMPLE("switch_completions", "RP USP D1 D2 A B",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a1d-1d,1.08.dp.a1d-15,2.00.ep,3.00.ep",
	"abcded", "abcccc", "abcccc")
EXAMPLE("switch_below_only", "RP USP D1 D2 A B",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a1d-1d,1.08.dp.a1d-1c,2.00.ep,3.00.ep",
	"abcded", "abcded", "abcded")
EXAMPLE("switch_broken_sv", "RP USP D1 D2 A B",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.q4.a1d-1c,1.08.dp.q4.a1d-1c,2.00.ep,3.00.ep",
	"abcdef", "abcdef", "abcdef")
EXAMPLE("switch_broken_sv_open", "RP USP D1 D2 A B",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.q4.a1d-18,1.08.dp.q4.a1d-1c,2.00.ep,3.00.ep",
	"abcdce", "abcccc", "abcccc")
EXAMPLE("direct_translated", "RP USP D1 D2 A B",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a5d-5d,1.08.dp.a1d-1d,2.00.ep,3.00.ep",
	"abcdef", "abcccc", "abcccc")
EXAMPLE("direct_translated_blocked", "RP USP D1 D2 A B",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a5f-5f,1.08.dp.a1d-1d,2.00.ep,3.00.ep",
	"abcdef", "abcdef", "abcdef")
EXAMPLE("egress_not_on", "RP USP D1 D2 A B",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a3d-1d,1.08.dp.a1d-1d,2.00.ep,3.00.ep",
	"abcdef", "abcdef", "abcdef")
EXAMPLE("endpoint_in_switch", "RP USP D1 E A",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a1d-1d,1.08.ep,2.00.ep",
	"abcde", "abccc", "abccc")
EXAMPLE("isolated_in_switch", "RP USP D1 E A",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a1d-1d,1.08.ep.a1d-1d,2.00.ep",
	"abcde", "abcde", "abcde")
EXAMPLE("dummy_in_switch", "RP USP D1 E A",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a1d-1d,1.08.ep.b.n.d,2.00.ep",
	"abcde", "abcde", "abcde")
EXAMPLE("root_port_in_switch", "USP P0 P1 A",
	"r.08.up,0.00.rp,0.08.rp.a1d-1d,1.00.ep",
	"abcb", "abbb", "abbb")
EXAMPLE("bridge_in_switch", "RP USP D1 PB A X",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a1d-1d,1.08.pb,2.00.ep,3.00.ce",
	"abcded", "abcccc", "abcccc")
EXAMPLE("vf_in_switch", "RP USP D1 PF A VF",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a1d-1d,1.08.ep.v1-100-1,2.00.ep",
	"abcdef", "abcccc", "abcccc")
EXAMPLE("vf_opens_switch", "RP USP D1 PF A VF",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a1d-1d,1.08.ep.a1d-1d.v1-100-1.w1d-00,2.00.ep",
	"abcdef", "abcccc", "abcccc")

/* R2c */
EXAMPLE("port_half_on", "RP A",
	"r.08.rp.a1d-1c,0.00.ep",
	"aa", "aa", "aa")
EXAMPLE("port_implements_less", "RP A",
	"r.08.rp.a0d-0d,0.00.ep",
	"ab", "ab", "ab")
EXAMPLE("port_empty", "RP A",
	"r.08.rp.a00-00,0.00.ep",
	"ab", "ab", "ab")
EXAMPLE("port_quirk_isolated", "RP A",
	"r.08.rp.q2,0.00.ep",
	"ab", "ab", "ab")
EXAMPLE("port_quirk_open", "RP A",
	"r.08.rp.q3,0.00.ep",
	"aa", "aa", "aa")
EXAMPLE("lone_downstream_ports", "D0 D1 A B",
	"r.08.dp.m,r.09.dp.m.a1d-1d,0.00.ep,1.00.ep",
	"abac", "abac", "aaaa")
EXAMPLE("lone_downstream_port_off", "D0 D1 A B",
	"r.08.dp.m.a1d-00,r.09.dp.m.a1d-1d,0.00.ep,1.00.ep",
	"abac", "aaaa", "aaaa")

/* R2d */
EXAMPLE("root_port_egress", "RP0 RP1 A B",
	"r.08.rp.m.a3d-3d,r.09.rp.m.a1d-1d,0.00.ep,1.00.ep",
	"abcd", "aaaa", "aaaa")
EXAMPLE("both_lack_forwarding", "RP0 RP1 A B",
	"r.08.rp.m.a1d-0d,r.09.rp.m.a1d-0d,0.00.ep,1.00.ep",
	"aaaa", "abab", "abab")
EXAMPLE("ari", "RP F0 F8 F40",
	"r.08.rp.a1d-1d,0.00.ep.m.i,0.08.ep.i,0.40.ep.i",
	"abcd", "abbb", "abbb")
EXAMPLE("ari_empty", "RP F0 F8 F40",
	"r.08.rp.a1d-1d,0.00.ep.m.i.a00-00,0.08.ep.i.a00-00,0.40.ep.i.a00-00",
	"abcd", "abcd", "abcd")
EXAMPLE("ari_one_off", "RP F0 F8 F40",
	"r.08.rp.a1d-1d,0.00.ep.m.i.a00-00,0.08.ep.i.a1d-00,0.40.ep.i.a00-00",
	"abcd", "abbb", "abbb")
EXAMPLE("ari_mixed", "RP F0 F8 F40",
	"r.08.rp.a1d-1d,0.00.ep.m.i.a1d-1d,0.08.ep.i,0.40.ep.i",
	"abcd", "abcc", "abbb")
EXAMPLE("vf_beside_functions", "RP F0 F1 VF",
	"r.08.rp.a1d-1d,0.00.ep.m.v1-2-1,0.01.ep.m",
	"abbc", "abbc", "abbb")
EXAMPLE("vf_on_virtual_bus", "RP F0 F1 VF1 VF2",
	"r.08.rp.a1d-1d,0.00.ep.m.v2-100-100,0.01.ep.m.a1d-1d",
	"abcde", "abcde", "abbbb")
EXAMPLE("vf_opens_device", "RP PF VF1 VF2",
	"r.08.rp.a1d-1d,0.00.ep.a1d-1d.v2-1-1.w1d-00",
	"abcd", "abbb", "abbb")
EXAMPLE("vf_isolated", "RP PF VF1 VF2",
	"r.08.rp.a1d-1d,0.00.ep.v2-1-1.w1d-1d",
	"abcd", "abcd", "abbb")
EXAMPLE("dummy", "F0 F1",
	"r.08.ri.m.b.n.d,r.09.ri.m.a1d-1d",
	"ab", "ab", "ab")
EXAMPLE("dummy_that_decodes", "F0 F1",
	"r.08.ri.m.b.n,r.09.ri.m.a1d-1d",
	"ab", "ab", "aa")
EXAMPLE("no_dummy_bar", "F0 F1",
	"r.08.ri.m.n,r.09.ri.m.a1d-1d",
	"ab", "ab", "aa")
EXAMPLE("no_dummy_rom", "F0 F1",
	"r.08.ri.m.b.o.n,r.09.ri.m.a1d-1d",
	"ab", "ab", "aa")
EXAMPLE("no_dummy_master", "F0 F1",
	"r.08.ri.m.b,r.09.ri.m.a1d-1d",
	"ab", "ab", "aa")
EXAMPLE("dummy_among_three", "F0 F1 F2",
	"r.08.ce.m.b.n.d,r.09.ce.m,r.0a.ce.m",
	"aaa", "aaa", "aaa")
EXAMPLE("dummy_beside_off", "F0 F1 F2",
	"r.08.ri.m.b.n.d,r.09.ri.m.a1d-00,r.0a.ri.m.a1d-1d",
	"aab", "aaa", "aaa")
EXAMPLE("dummy_off", "F0 F1",
	"r.08.ri.m.b.n.d.a1d-00,r.09.ri.m.a1d-1d",
	"ab", "ab", "ab")
EXAMPLE("dummy_on", "F0 F1 F2",
	"r.08.ri.m.b.n.d.a1d-1d,r.09.ri.m.a1d-00,r.0a.ri.m.a1d-1d",
	"abc", "abb", "abb")
EXAMPLE("event_collector", "F0 F1",
	"r.08.rc.m,r.09.ri.m.a1d-1d",
	"ab", "ab", "aa")

/* ACS is not for these: what their capability says does not count */
EXAMPLE("event_collector_off", "F0 F1",
	"r.08.rc.m.a1d-00,r.09.ri.m.a1d-1d",
	"ab", "ab", "aa")
EXAMPLE("event_collector_empty", "F0 F1",
	"r.08.rc.m.a00-00,r.09.ri.m",
	"aa", "aa", "aa")
EXAMPLE("express_bridge_off", "F0 PB X",
	"r.08.ri.m.a1d-1d,r.09.pb.m.a1d-00,1.00.ce",
	"abb", "abb", "aaa")
EXAMPLE("endpoint_quirk", "RP F0 F1",
	"r.08.rp.a1d-1d,0.00.ep.m.q1,0.01.ep.m",
	"abc", "abc", "abb")
EXAMPLE("bridge_beside_endpoint", "B F1 X",
	"r.f0.cb.m,r.f1.ce.m,0.00.ce",
	"aaa", "aaa", "aaa")
EXAMPLE("bridge_beside_port", "RP B A X",
	"r.08.rp.m.a1d-1d,r.09.cb.m,0.00.ep,1.00.ce",
	"abcb", "abcb", "aaaa")
EXAMPLE("switch_below_off", "RP0 RP1 A USP D1 D2 B C",
	"r.08.rp.m.a1d-00,r.09.rp.m.a1d-1d,0.00.ep,1.00.up,3.00.dp.a1d-1d,3.08.dp.a1d-1d,4.00.ep,5.00.ep",
	"abacdefg", "aaaaaaaa", "aaaaaaaa")
EXAMPLE("lone_multifunction_bit", "RP USP D1 A",
	"r.08.rp.a1d-1d,0.00.up.m,1.00.dp.a1d-1d,2.00.ep",
	"abbb", "abbb", "abbb")
EXAMPLE("lone_without_bit", "RP USP D1 A",
	"r.08.rp.a1d-1d,0.00.up,1.00.dp.a1d-1d,2.00.ep",
	"abcd", "abcd", "abcd")

/* Some are in no group; the others are joined through them all the same */
EXAMPLE("uncovered_switch", "RP USP D1 D2 A B",
	"r.08.rp.a1d-1d.u,0.00.up.u,1.00.dp.u,1.08.dp.u,2.00.ep,3.00.ep",
	"----ab", "----aa", "----aa")
EXAMPLE("uncovered_port", "RP USP D1 D2 A B",
	"r.08.rp.u,0.00.up,1.00.dp.a1d-1d,1.08.dp.a1d-1d,2.00.ep,3.00.ep",
	"-aaaaa", "-aaaaa", "-aaaaa")
EXAMPLE("uncovered_alias", "A B C",
	"r.08.ri,r.10.ri.l08.l18.u,r.18.ri",
	"a-a", "a-a", "a-a")
