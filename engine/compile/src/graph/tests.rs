//! Graphs against truth tables, and their budget.

use super::*;

/// A test of variable `var` that is true for the classes named.
fn test(graph: &mut Graph, var: u32, yes: &[u32]) -> Ref {
    let of = |class: u32| if yes.contains(&class) { YES } else { NO };
    let arms = [0, 2, 3].map(|class| (class, of(class))).to_vec();
    graph.make(var, of(1), arms)
}

fn follow(graph: &Graph, mut at: Ref, classes: &[u32]) -> u32 {
    loop {
        match at {
            Ref::Leaf(value) => return value,
            Ref::Node(index) => {
                let node = graph.node(index);
                let class = classes[node.var as usize];
                at = node
                    .arms
                    .iter()
                    .find(|arm| arm.0 == class)
                    .map_or(node.default, |arm| arm.1);
            }
        }
    }
}

fn assignments() -> impl Iterator<Item = [u32; 3]> {
    (0..64).map(|n| [n & 3, n >> 2 & 3, n >> 4])
}

#[test]
fn operations_agree_with_their_truth_tables() {
    let mut graph = Graph::default();
    let tests = [
        (0, vec![2]),
        (0, vec![1, 3]),
        (1, vec![0, 2]),
        (2, vec![3]),
        (1, vec![1]),
    ];
    let roots: Vec<Ref> = tests
        .iter()
        .map(|(var, yes)| test(&mut graph, *var, yes))
        .collect();
    for a in 0..roots.len() {
        for b in 0..roots.len() {
            let (and, or) = (
                graph.and(roots[a], roots[b]).unwrap(),
                graph.or(roots[a], roots[b]).unwrap(),
            );
            let not = graph.not(and);
            for classes in assignments() {
                let holds = |i: usize| u32::from(tests[i].1.contains(&classes[tests[i].0 as usize]));
                assert_eq!(follow(&graph, and, &classes), holds(a) & holds(b));
                assert_eq!(follow(&graph, or, &classes), holds(a) | holds(b));
                assert_eq!(follow(&graph, not, &classes), 1 - (holds(a) & holds(b)));
            }
        }
    }
}

#[test]
fn equal_functions_are_one_node() {
    let mut graph = Graph::default();
    let (a, b) = (test(&mut graph, 0, &[2]), test(&mut graph, 1, &[0, 3]));
    let left = graph.and(a, b).unwrap();
    let (not_a, not_b) = (graph.not(a), graph.not(b));
    let either = graph.or(not_a, not_b).unwrap();
    assert_eq!(graph.not(either), left);
}

#[test]
fn the_first_leaf_in_order_of_rank_wins() {
    let mut graph = Graph::default();
    let conditions = [(0, vec![2]), (1, vec![2, 3]), (2, vec![1])];
    let ranked: Vec<Ref> = (1..)
        .zip(&conditions)
        .map(|(label, (var, yes))| {
            let root = test(&mut graph, *var, yes);
            graph.label(root, label)
        })
        .collect();
    let merged = graph.first_of(&ranked);
    assert_eq!(merged.len(), 1);
    for classes in assignments() {
        let first = conditions
            .iter()
            .position(|(var, yes)| yes.contains(&classes[*var as usize]));
        assert_eq!(
            follow(&graph, merged[0], &classes),
            first.map_or(0, |i| i as u32 + 1)
        );
    }
}

/// `(x0 == y0) or (x1 == y1) or ..` with all x before all y needs exponentially many nodes.
#[test]
fn an_operation_over_budget_gives_up_and_first_of_keeps_the_parts() {
    let mut graph = Graph::default();
    let pairs = 14;
    let mut parts = Vec::new();
    for i in 0..pairs {
        let (x, y) = (test(&mut graph, i, &[2]), test(&mut graph, pairs + i, &[2]));
        let root = graph.and(x, y).unwrap();
        parts.push(graph.label(root, i + 1));
    }
    let merged = graph.first_of(&parts);
    assert!(
        merged.len() > 1 && merged.len() < parts.len(),
        "{} graphs",
        merged.len()
    );
    assert!(graph.nodes().len() < 20_000);
}
