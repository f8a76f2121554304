//! Any history of connections, secrets, commands, replies and time leaves the service as the model says it must be.

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestError, TestRunner};

use super::model::{AGENTS, Model, Secret, Step};

/// How many histories every run of the tests goes through; `NETIGNITE_HISTORIES` overrides it.
const HISTORIES: u32 = 100_000;
/// Where a history ends at the latest. Shorter ones are found more faults with in the same time.
const LONGEST: usize = 40;

fn step() -> impl Strategy<Value = Step> {
    let n = 0..8_usize;
    let agent = 0..AGENTS;
    let secret = prop_oneof![8 => Just(Secret::Current), 2 => Just(Secret::Old), 1 => Just(Secret::Wrong)];
    let address = 1..4_u8;
    // Quarters of a second up to the longest time-out there is.
    let quarters = prop_oneof![3 => 1..4_u64, 2 => Just(20), 2 => Just(28), 6 => Just(80), 2 => Just(240), 1 => Just(300)];
    prop_oneof![
        6 => (agent.clone(), secret, address).prop_map(|(agent, secret, address)| Step::Admit { agent, secret, address }),
        6 => (n.clone(), any::<bool>()).prop_map(|(ticket, early)| Step::Attach { ticket, early }),
        1 => n.clone().prop_map(Step::DropTicket),
        1 => (agent.clone(), 1..4_u8).prop_map(|(agent, times)| Step::Flap { agent, times }),
        1 => n.clone().prop_map(Step::Overtake),
        1 => n.clone().prop_map(Step::Lose),
        1 => n.clone().prop_map(Step::Close),
        1 => n.clone().prop_map(Step::Violate),
        1 => n.clone().prop_map(Step::Babble),
        10 => (n.clone(), n.clone(), prop::bool::weighted(0.1))
            .prop_map(|(connection, command, spoilt)| Step::Reply { connection, command, spoilt }),
        2 => (n.clone(), n.clone()).prop_map(|(connection, command)| Step::ReplyLate { connection, command }),
        2 => (n.clone(), 0..12_u32).prop_map(|(connection, id)| Step::Forge { connection, id }),
        2 => (n.clone(), n.clone()).prop_map(|(connection, command)| Step::Misname { connection, command }),
        6 => n.clone().prop_map(Step::Beat),
        1 => agent.clone().prop_map(Step::ChangeSecret),
        2 => (agent.clone(), 0..3_u8).prop_map(|(agent, grace)| Step::Rotate { agent, grace }),
        1 => agent.clone().prop_map(Step::Edit),
        1 => agent.clone().prop_map(Step::Reconnect),
        1 => agent.clone().prop_map(Step::Delete),
        1 => agent.clone().prop_map(Step::Create),
        10 => (agent, any::<bool>(), 0..4_u8)
            .prop_map(|(agent, question, text)| Step::Dispatch { agent, question, text }),
        1 => n.prop_map(Step::GiveUp),
        8 => quarters.prop_map(Step::Wait),
    ]
}

/// Runs `count` histories; each thread of the test has its own.
fn run(count: u32) {
    let config = ProptestConfig {
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::XorShift,
        ..ProptestConfig::with_cases(count)
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let result =
        TestRunner::new(config).run(&prop::collection::vec((step(), any::<bool>()), 1..LONGEST), |steps| {
            runtime.block_on(async {
                let mut model = Model::new();
                for (step, hasty) in &steps {
                    model.run(step, *hasty).await;
                }
                model.finish().await;
            });
            Ok(())
        });
    if let Err(TestError::Fail(why, steps)) = result {
        panic!("{why}\nafter {steps:#?}");
    }
    result.unwrap();
}

#[test]
fn any_history_has_one_live_owner_and_no_reply_goes_astray() {
    let histories = std::env::var("NETIGNITE_HISTORIES").ok().and_then(|n| n.parse().ok());
    let histories: u32 = histories.unwrap_or(HISTORIES);
    let threads = std::thread::available_parallelism().map_or(2, |n| u32::try_from(n.get()).unwrap_or(2));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(move || run(histories.div_ceil(threads)));
        }
    });
}
