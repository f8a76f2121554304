//! Which entries go where there are too many.
//!
//! What goes is what one has most of, so that nobody's entries push out anybody else's. *Parties* are a user with their
//! tokens and agents, the local operator, the server, and all who did not prove who they are, who count as one together:
//! they may have any number of addresses. The party with the most entries gives up some, until another has as many; then
//! both do. Among those who proved nothing the address with the most gives up some. Of one's own entries refusals go
//! first, but for a twentieth of the bound, then those of the action there are most of: whoever creates and deletes
//! without end loses the entries of that, and keeps those of logins and rights.

use std::collections::BTreeMap;

use crate::store::audit::Heap;

/// The share of the bound that one's refusals keep while there are other entries of theirs: one in so many.
const REFUSALS_KEEP: i64 = 20;

/// How many of each heap's oldest entries go, so that `bound` entries stay.
pub fn plan(heaps: Vec<Heap>, bound: i64) -> Vec<(Heap, i64)> {
    let sizes: Vec<i64> = heaps.iter().map(|heap| heap.entries).collect();
    let mut kept = sizes.clone();
    let all: Vec<usize> = (0..heaps.len()).collect();
    for (party, room) in shared_out(&sizes, groups(&all, |index| heaps[index].party.as_str()), bound) {
        for (mut own, room) in shared_out(&sizes, groups(&party, |index| heaps[index].origin.as_str()), room)
        {
            let refused = own.extract_if(.., |index| heaps[*index].outcome == "refused").collect::<Vec<_>>();
            let others: i64 = own.iter().map(|index| sizes[*index]).sum();
            let refusals_keep = (room - others).max(bound / REFUSALS_KEEP);
            level(&mut kept, &refused, refusals_keep);
            own.extend(refused);
            level(&mut kept, &own, room);
        }
    }
    let surplus =
        heaps.into_iter().zip(sizes.iter().zip(&kept)).map(|(heap, (size, kept))| (heap, size - kept));
    surplus.filter(|(_, surplus)| *surplus > 0).collect()
}

/// The indices by what `key` says of them.
fn groups<'a>(of: &[usize], key: impl Fn(usize) -> &'a str) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &index in of {
        groups.entry(key(index)).or_default().push(index);
    }
    groups.into_values().collect()
}

/// The groups, each with how many entries of it may stay where `room` entries of all may.
fn shared_out(sizes: &[i64], groups: Vec<Vec<usize>>, room: i64) -> Vec<(Vec<usize>, i64)> {
    let mut rooms: Vec<i64> =
        groups.iter().map(|group| group.iter().map(|index| sizes[*index]).sum()).collect();
    let all: Vec<usize> = (0..groups.len()).collect();
    level(&mut rooms, &all, room);
    groups.into_iter().zip(rooms).collect()
}

/// Takes from the greatest of the numbers at these indices, until they are no more than `room` in all.
fn level(numbers: &mut [i64], at: &[usize], mut room: i64) {
    let mut ascending = at.to_vec();
    ascending.sort_by_key(|index| numbers[*index]);
    let mut left = i64::try_from(ascending.len()).unwrap_or(i64::MAX);
    for index in ascending {
        let number = &mut numbers[index];
        *number = (*number).min(room.max(0) / left);
        room -= *number;
        left -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heap(party: &str, origin: &str, action: &str, outcome: &str, entries: i64) -> Heap {
        let [party, origin, action, outcome] = [party, origin, action, outcome].map(str::to_owned);
        Heap { party, origin, action, outcome, entries }
    }

    /// What goes, in words.
    fn going(heaps: &[Heap], bound: i64) -> Vec<String> {
        let going = plan(heaps.to_vec(), bound);
        let kept =
            heaps.iter().map(|heap| heap.entries).sum::<i64>() - going.iter().map(|of| of.1).sum::<i64>();
        assert!(kept <= bound.max(0), "{kept} stay");
        let words =
            |(Heap { party, origin, action, .. }, surplus)| format!("{surplus} {party}{origin} {action}");
        going.into_iter().map(words).collect()
    }

    #[test]
    fn a_flood_costs_nobody_else_and_no_entry_of_another_kind() {
        let heaps = [
            heap("user 1", "", "auth.login", "done", 100),
            heap("user 1", "", "device.update", "done", 300),
            heap("user 2", "", "agent.create", "done", 500_000),
            heap("user 2", "", "agent.delete", "done", 500_000),
            heap("user 2", "", "auth.login", "done", 5),
            heap("user 2", "", "request.refuse", "refused", 40),
            heap("nobody", "10.0.0.1", "auth.login", "refused", 200),
        ];
        assert_eq!(going(&heaps, 2000), ["499323 user 2 agent.create", "499322 user 2 agent.delete"]);
        assert_eq!(going(&heaps, 2_000_000), [""; 0]);
    }

    #[test]
    fn whoever_proves_nothing_has_one_share_however_many_addresses() {
        let mut heaps = vec![
            heap("user 1", "", "auth.login", "done", 400),
            heap("nobody", "10.0.0.1", "auth.login", "refused", 3),
            heap("nobody", "10.0.0.2", "auth.login", "refused", 5000),
        ];
        assert_eq!(going(&heaps, 1000), ["4403 nobody10.0.0.2 auth.login"]);
        heaps.extend((0..2000).map(|n| heap("nobody", &format!("address {n}"), "auth.login", "refused", 1)));
        let going = going(&heaps, 1000);
        assert!(going.iter().all(|words| words.contains("nobody")), "{going:?}");
    }

    #[test]
    fn refusals_go_before_what_was_done() {
        let heaps = [
            heap("operator", "", "log_level.set", "done", 900),
            heap("operator", "", "log_level.set", "refused", 600),
            heap("user 1", "", "auth.login", "done", 1),
        ];
        assert_eq!(plan(heaps.to_vec(), 1000), [(heaps[1].clone(), 501)]);
        // But for some, whatever else there is.
        let heaps = [heap("a", "", "x", "done", 9000), heap("a", "", "x", "refused", 600)];
        assert_eq!(plan(heaps.to_vec(), 1000), [(heaps[0].clone(), 8050), (heaps[1].clone(), 550)]);
    }

    #[test]
    fn as_many_stay_as_may() {
        let heaps: Vec<_> = (0..97)
            .map(|n| heap(&format!("user {}", n % 7), "", &format!("x{n}"), "done", n * n % 31))
            .collect();
        let all: i64 = heaps.iter().map(|heap| heap.entries).sum();
        for bound in 0..all {
            let gone: i64 = plan(heaps.clone(), bound).iter().map(|of| of.1).sum();
            assert_eq!(all - gone, bound);
        }
    }
}
