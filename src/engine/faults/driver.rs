//! Makes the clients of a shard feel the faults that are theirs, at their time.

use std::rc::Rc;

use super::{Effects, Order, effects_of, hits, is_instant};
use crate::clock::Offset;
use crate::engine::shard::{Control, Shard};
use crate::engine::stage::Stage;
use crate::metrics::event::FaultHit;
use crate::scenario::{ClientFault, FaultKind};
use crate::wire::Dial;

/// Waits for every begin and end of a client fault and applies it; ends with the load.
pub(in crate::engine) async fn drive<D: Dial + 'static>(shard: Rc<Shard<D>>) {
    let plan = std::sync::Arc::clone(&shard.plan);
    let mut moments: Vec<(Offset, usize, bool)> = Vec::new();
    for (number, occurrence) in plan.faults.iter().enumerate() {
        if matches!(
            plan.scenario.faults[occurrence.fault].kind,
            FaultKind::Client { .. }
        ) {
            moments.push((occurrence.at, number, true));
            moments.extend(occurrence.until.map(|until| (until, number, false)));
        }
    }
    if moments.is_empty() {
        return;
    }
    moments.sort_unstable_by_key(|(at, number, _)| (*at, *number));
    let slot = shard.pacer.add();
    for (at, number, begins) in moments {
        shard.sleep(slot, at, Stage::Draining, None).await;
        if shard.stage.get() >= Stage::Draining {
            break;
        }
        apply(&shard, number, begins);
    }
    shard.pacer.remove(slot);
}

/// One fault begins or ends.
fn apply<D: Dial + 'static>(shard: &Rc<Shard<D>>, number: usize, begins: bool) {
    let scenario = &shard.plan.scenario;
    let occurrences = &shard.plan.faults;
    let FaultKind::Client { fault, share } = &scenario.faults[occurrences[number].fault].kind
    else {
        return;
    };
    let mut on = shard.faults_on.borrow_mut();
    on.retain(|other| *other != number);
    if begins && !is_instant(fault) {
        on.push(number);
    }
    let mut clients = 0;
    shard.for_each_client(|client, control| {
        if !hits(scenario.seed, number, client, *share) {
            return;
        }
        if !is_instant(fault) {
            let effects = effects_of(scenario, occurrences, &on, client);
            control.effects.set(effects);
        } else if control.connected.get() {
            control.order.replace(Some(match fault {
                ClientFault::Close { code, reason } => Order::Close(*code, reason.as_str().into()),
                _ => Order::Disconnect,
            }));
        } else {
            return;
        }
        clients += 1;
        shard.pacer.wake(control.slot);
    });
    shard.tell();
    if begins {
        let hit = FaultHit {
            occurrence: number,
            at: shard.now(),
            clients,
        };
        shard.recorder.borrow_mut().fault(hit);
    }
}

/// What a client that starts now feels of the faults that are on already.
pub(in crate::engine) fn inherit<D: Dial + 'static>(
    shard: &Shard<D>,
    client: u64,
    control: &Control,
) {
    let on = shard.faults_on.borrow();
    let effects = effects_of(&shard.plan.scenario, &shard.plan.faults, &on, client);
    if effects != Effects::default() {
        control.effects.set(effects);
    }
}
