//! What a start does about occurrences that were open when the process before it ended.
//!
//! In: the ledger's open rows. Out: a claim for each, or a fate with a reason. Nothing stays "running" for ever.
//! Never: touches an occurrence that has its fate.

use super::board::{Board, Claim, gone};
use crate::domain::Timestamp;
use crate::instance::Instance;
use crate::store::{Change, CommitError, Fate, FinishedRun, Op, RunState, Store, TriggerKind, view};
use std::collections::HashSet;

/// A run that was going on at this many ends of the process is taken for their cause.
const INTERRUPTIONS: u32 = 10;

/// Puts every open occurrence back on the board, or closes it and says why. Gives back how many were put up.
///
/// # Errors
/// When the store cannot be read or written.
pub fn recover(store: &Store, board: &Board, instance: &Instance, now: Timestamp) -> Result<usize, CommitError> {
    let mut count = 0;
    let mut open = view::open_occurrences(&*store.read()?)?;
    // Scheduled occurrences that wait for each other keep their order, whichever of them waits for another attempt.
    open.sort_by_key(|row| row.id);
    let mut ops = Vec::new();
    let (mut first, mut behind) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for row in open {
        let workflow = instance.workflows.get(row.workflow.as_str()).cloned();
        let Some(workflow) = workflow.filter(|w| w.enabled || row.kind == TriggerKind::Hand) else {
            ops.push(Op::Close { id: row.id, fate: Fate::Skipped, reason: gone(&row.workflow), into: None });
            continue;
        };
        let interrupted = row.interrupted + u32::from(row.running);
        if interrupted > INTERRUPTIONS {
            let error = format!(
                "Beffroi ended {interrupted} times while this run was going on, so it is not tried again. Look at its log and its budget."
            );
            ops.push(Op::Finish(Box::new(FinishedRun::without_effect(
                row.id,
                RunState::Failed,
                row.attempt,
                workflow.version,
                now,
                error,
            ))));
            continue;
        }
        let mut claim = Claim::new(row.id, workflow, row.kind, row.due);
        claim.payload = row.payload;
        claim.attempt = row.attempt + 1;
        // A clock that was far ahead when the row was written must not make it wait for years.
        claim.start_at = if row.start_at > claim.latest_start(now) { now } else { row.start_at };
        claim.interrupted = interrupted;
        claim.recorded = true;
        count += 1;
        if row.kind != TriggerKind::Schedule {
            board.post(claim, now);
        } else if seen.insert(claim.workflow.name.clone()) {
            first.push(claim);
        } else {
            behind.push(claim);
        }
    }
    if !ops.is_empty() {
        store.commit(Change::new(now, ops))?;
    }
    board.post_scheduled(first, behind, now);
    Ok(count)
}
