//! What is written, how often, and of whom, whatever comes at once.

use super::*;
use crate::audit::SubjectKind;

fn noted(action: Action, address: &str, at: Millis) -> Noted {
    let address = address.parse().ok();
    Noted { entry: Entry::new(at, Actor::Nobody, action, address), only_if_there: false }
}

fn written(due: &[Noted]) -> Vec<(Action, i64, Millis)> {
    due.iter().map(|noted| (noted.entry.action, noted.entry.count, noted.entry.at)).collect()
}

#[test]
fn equal_entries_of_one_writing_are_one() {
    let mut tally = Tally::default();
    for at in 1..=5 {
        tally.add_done(noted(Action::DeviceWake, "10.0.0.1", at));
    }
    tally.add_done(noted(Action::DeviceWake, "10.0.0.2", 6));
    assert_eq!(written(&tally.take(7, false)), [(Action::DeviceWake, 5, 5), (Action::DeviceWake, 1, 6)]);
    assert!(tally.is_idle());
}

#[test]
fn refusals_are_recorded_at_once_and_then_at_the_end_of_their_window() {
    let mut tally = Tally::default();
    let refuse = |tally: &mut Tally, at| tally.add_refused(noted(Action::AuthLogin, "10.0.0.1", at));
    refuse(&mut tally, 1000);
    assert_eq!(written(&tally.take(1500, false)), [(Action::AuthLogin, 1, 1000)]);
    for at in 2000..2100 {
        refuse(&mut tally, at);
    }
    assert_eq!(written(&tally.take(3000, false)), []);
    assert!(!tally.is_idle());
    assert_eq!(written(&tally.take(1000 + WINDOW, false)), [(Action::AuthLogin, 100, 2099)]);
    assert!(tally.is_idle());

    refuse(&mut tally, 5_000_000);
    tally.take(5_000_000, false);
    refuse(&mut tally, 5_000_001);
    assert_eq!(written(&tally.take(5_000_002, true)), [(Action::AuthLogin, 1, 5_000_001)]);
}

#[test]
fn whoever_has_a_network_of_addresses_is_one() {
    let mut tally = Tally::default();
    for n in 1..1000 {
        tally.add_refused(noted(Action::AuthLogin, &format!("2001:db8:0:1::{n:x}"), n));
    }
    let due = tally.take(1000, false);
    assert_eq!(written(&due), [(Action::AuthLogin, 999, 999)]);
    assert_eq!(due[0].entry.address, "2001:db8:0:1::3e7".parse().ok());
}

#[test]
fn too_many_different_ones_are_counted_together() {
    let mut tally = Tally::default();
    for n in 0..5000 {
        tally.add_refused(noted(Action::AuthLogin, &format!("10.1.{}.{}", n / 250, n % 250), 1));
    }
    let due = tally.take(1, false);
    assert_eq!(due.len(), MAX_REFUSED + 1);
    let rest = due.iter().find(|noted| noted.entry.action == Action::AuditOverflow);
    assert_eq!(rest.map(|noted| noted.entry.count), Some(5000 - MAX_REFUSED as i64));

    for n in 0..MAX_DONE + 7 {
        let mut wake = noted(Action::DeviceWake, "10.0.0.1", 2);
        wake.entry.actor = Actor::User { id: n as i64, name: String::new() };
        tally.add_done(wake);
    }
    let due = tally.take(2, false);
    assert_eq!(due.len(), MAX_DONE + 1);
    assert_eq!(
        written(&due).into_iter().find(|written| written.0 == Action::AuditDrop),
        Some((Action::AuditDrop, 7, 2))
    );
}

#[test]
fn what_happens_in_one_millisecond_keeps_its_order() {
    let mut tally = Tally::default();
    let address = |n: usize| format!("10.0.0.{n}");
    for n in 0..50 {
        tally.add_done(noted(Action::DeviceWake, &address(n), 1));
    }
    let due = tally.take(2, false);
    let order: Vec<_> = due.iter().map(|noted| noted.entry.address).collect();
    let expected: Vec<Option<IpAddr>> = (0..50).map(|n| address(n).parse().ok()).collect();
    assert_eq!(order, expected);
}

#[test]
fn a_flood_of_one_hides_nobody_else() {
    let mut tally = Tally::default();
    let refuse = |tally: &mut Tally, action, address, n: usize| {
        let mut refused = noted(action, address, 1);
        refused.entry.detail = Some(n.to_string());
        tally.add_refused(refused);
    };
    for window in [0, WINDOW] {
        for n in 0..5000 {
            refuse(&mut tally, Action::RequestRefuse, "10.0.0.1", n);
        }
        refuse(&mut tally, Action::AuthLogin, "10.0.0.1", 0);
        refuse(&mut tally, Action::RequestRefuse, "10.0.0.2", 0);
        let due = tally.take(window, false);
        assert_eq!(due.len(), MAX_OF_ONE + 3);
        let rest = due.iter().find(|noted| noted.entry.action == Action::AuditOverflow);
        let rest = rest.map(|noted| (noted.entry.count, noted.entry.address));
        assert_eq!(rest, Some((5000 - MAX_OF_ONE as i64, "10.0.0.1".parse().ok())));
        tally.take(1 + WINDOW, false);
        assert!(tally.is_idle() && tally.of_one.is_empty() && tally.pools.is_empty());
    }
}

#[test]
fn what_one_does_on_too_many_things_is_counted_and_drops_nobody_elses() {
    let mut tally = Tally::default();
    let wake = |user: i64, device: i64| {
        let mut wake = noted(Action::DeviceWake, "10.0.0.1", 1);
        wake.entry.actor = Actor::User { id: user, name: String::new() };
        wake.entry.on(SubjectKind::Device, device, "d");
        wake
    };
    (0..MAX_DONE as i64 * 2).for_each(|device| tally.add_done(wake(1, device)));
    tally.add_done(wake(2, 1));
    let due = tally.take(2, false);
    assert_eq!(due.len(), MAX_DONE_OF_ONE + 2);
    assert_eq!(due.iter().map(|noted| noted.entry.count).sum::<i64>(), MAX_DONE as i64 * 2 + 1);
    assert!(due.iter().all(|noted| noted.entry.action == Action::DeviceWake));
    assert!(due.contains(&Noted { entry: Entry { at: 1, ..wake(2, 1).entry }, only_if_there: false }));
}

#[test]
fn many_addresses_hide_neither_users_refusals_nor_who_was_attacked() {
    let mut tally = Tally::default();
    let stranger =
        |action, n: usize| noted(action, &format!("10.{}.{}.{}", n / 62_500, n / 250 % 250, n % 250), 1);
    for n in 0..3000 {
        tally.add_refused(stranger(Action::RequestRefuse, n));
        tally.add_refused(stranger(Action::AuthLogin, n));
    }
    let mut of_user = noted(Action::RequestRefuse, "10.9.9.9", 1);
    of_user.entry.actor = Actor::User { id: 7, name: "ann".to_owned() };
    tally.add_refused(of_user.clone());
    tally.add_refused(noted(Action::AgentConnect, "10.9.9.9", 1));
    for n in 0..10 {
        let mut login = stranger(Action::AuthLogin, 5000 + n);
        login.entry.on(SubjectKind::User, 7, "ann");
        tally.add_refused(login);
    }
    let due = tally.take(1, false);
    assert!(due.contains(&of_user));
    assert!(due.contains(&noted(Action::AgentConnect, "10.9.9.9", 1)));
    let attacked: Vec<_> = due.iter().filter(|noted| noted.entry.subject.is_some()).collect();
    assert_eq!(attacked.len(), 1, "{attacked:?}");
    assert_eq!((attacked[0].entry.count, attacked[0].entry.address), (10, None));
    assert_eq!(due.iter().map(|noted| noted.entry.count).sum::<i64>(), 6012);
    tally.take(1 + WINDOW, false);
    assert!(tally.is_idle() && tally.of_one.is_empty() && tally.pools.is_empty());
}

#[test]
fn what_could_not_be_written_is_written_later() {
    let mut tally = Tally::default();
    tally.add_refused(noted(Action::AuthLogin, "10.0.0.1", 1));
    tally.add_done(noted(Action::DeviceWake, "10.0.0.1", 2));
    let due = tally.take(3, false);
    tally.put_back(due.clone());
    assert_eq!(tally.take(4, false), due);
}
