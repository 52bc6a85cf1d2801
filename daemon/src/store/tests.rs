//! The store's own promises, on real files.

use super::*;
use crate::domain::{Digest, RunId};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn open(folder: &tempfile::TempDir, mode: Mode) -> Store {
    Store::open(&folder.path().join("b.db"), mode).expect("a new store")
}

fn set(key: &str, value: &str) -> Op {
    Op::State { key: key.into(), value: Some(value.into()), run: RunId(1) }
}

#[test]
fn a_change_built_on_an_old_value_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, Mode::Threaded);
    store.commit(Change::new(at(1), vec![set("n", "1")])).unwrap();
    let version = view::state(&store.read().unwrap(), "n").unwrap().unwrap().1;
    let on = |mark| Change { built_on: vec![mark], ops: vec![set("n", "2"), set("other", "1")], at: at(2) };
    let stale = store.commit(on(MarkRead::Key("n".into(), Some(version - 1))));
    assert!(matches!(stale, Err(CommitError::Conflict(_))), "{stale:?}");
    assert!(view::state(&store.read().unwrap(), "other").unwrap().is_none(), "a part of a refused change was kept");
    store.commit(on(MarkRead::Key("n".into(), Some(version)))).unwrap();
    assert_eq!(view::state(&store.read().unwrap(), "n").unwrap().unwrap().0, "2");
}

#[test]
fn a_prefix_read_notices_additions_changes_and_removals() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, Mode::Inline);
    store.commit(Change::new(at(1), vec![set("a/1", "1"), set("a/2", "1"), set("b/1", "1")])).unwrap();
    let mark = |store: &Store| {
        let (_, count, newest) = view::state_list(&store.read().unwrap(), "a/").unwrap();
        MarkRead::Prefix("a/".into(), count, newest)
    };
    for op in [set("a/3", "1"), set("a/1", "2"), Op::State { key: "a/2".into(), value: None, run: RunId(1) }] {
        let before = mark(&store);
        store.commit(Change::new(at(2), vec![op])).unwrap();
        let late = store.commit(Change { built_on: vec![before], ops: vec![], at: at(3) });
        assert!(matches!(late, Err(CommitError::Conflict(_))), "{late:?}");
    }
    let before = mark(&store);
    store.commit(Change::new(at(4), vec![set("b/1", "2")])).unwrap();
    store.commit(Change { built_on: vec![before], ops: vec![], at: at(5) }).expect("another prefix does not matter");
}

#[test]
fn one_bad_change_in_a_batch_undoes_itself_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&folder, Mode::Threaded));
    let threads: Vec<_> = (0..16)
        .map(|n| {
            let store = store.clone();
            std::thread::spawn(move || {
                let bad = n % 4 == 0;
                let mut ops = vec![set(&format!("k{n}"), "1")];
                if bad {
                    ops.push(Op::Close { id: RunId(99), fate: Fate::Ran, reason: String::new(), into: None });
                }
                store.commit(Change::new(at(1), ops)).is_ok() != bad
            })
        })
        .collect();
    assert!(threads.into_iter().all(|t| t.join().unwrap()));
    let kept = view::state_list(&store.read().unwrap(), "k").unwrap().0.len();
    assert_eq!(kept, 12);
}

fn occurrence(id: i64, fate: Option<(Fate, String)>) -> Op {
    Op::Occur(NewOccurrence {
        id: RunId(id),
        workflow: "w".into(),
        kind: TriggerKind::Schedule,
        due: at(id * 1000),
        start_at: at(id * 1000),
        schedule: None,
        payload: None,
        fate,
        into: None,
        stretch: None,
    })
}

#[test]
fn a_closed_occurrence_keeps_its_fate_and_a_due_instant_has_one_row() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, Mode::Inline);
    store.commit(Change::new(at(1), vec![occurrence(1, Some((Fate::Ran, String::new())))])).unwrap();
    let again =
        store.commit(Change::new(at(2), vec![Op::Close { id: RunId(1), fate: Fate::Failed, reason: String::new(), into: None }]));
    assert!(matches!(again, Err(CommitError::Refused(_))), "{again:?}");
    let raw = Connection::open(store.path()).unwrap();
    let forced = raw.execute("UPDATE occurrence SET fate = 'failed' WHERE id = 1", []);
    assert!(forced.unwrap_err().to_string().contains("keeps its fate"));
    let mut twin = occurrence(2, None);
    if let Op::Occur(o) = &mut twin {
        o.due = at(1000);
    }
    assert!(matches!(store.commit(Change::new(at(3), vec![twin])), Err(CommitError::Refused(_))));
}

#[test]
fn words_that_no_row_may_have_are_refused_in_an_old_file_as_in_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.db");
    let raw = Connection::open(&old).unwrap();
    raw.execute_batch(&format!("{} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 7", MIGRATIONS[..7].concat()))
        .unwrap();
    raw.execute_batch("INSERT INTO occurrence (id, workflow, kind, due, start_at, fate) VALUES (1, 'w', 'hand', 1, 1, 'ran')")
        .unwrap();
    drop(raw);
    for store in [Store::open(&old, Mode::Inline).unwrap(), open(&folder, Mode::Inline)] {
        let raw = Connection::open(store.path()).unwrap();
        for (table, values) in [
            ("occurrence (id, workflow, kind, due, start_at)", "(2, 'w', 'foot', 1, 1)"),
            ("occurrence (id, workflow, kind, due, start_at, fate)", "(2, 'w', 'hand', 1, 1, 'gone')"),
            ("run (id, state, attempt, version, started)", "(1, 'walking', 1, '', 1)"),
            (
                "delivery (kind, run, target, state, content, seal, approval, due, look_at, created)",
                "('notice', 1, 'owner', 'lost', '', '', 'none', 1, 1, 1)",
            ),
        ] {
            let refused = raw.execute(&format!("INSERT INTO {table} VALUES {values}"), []).unwrap_err().to_string();
            assert!(refused.contains("CHECK constraint failed"), "{values}: {refused}");
        }
        raw.execute("INSERT INTO occurrence (id, workflow, kind, due, start_at) VALUES (3, 'w', 'hand', 1, 1)", []).unwrap();
        // A rule about a row that lists its words costs more than the row.
        let lists: Vec<String> = raw
            .prepare("SELECT name FROM sqlite_schema WHERE type IN ('table', 'trigger') AND tbl_name IN ('occurrence', 'run') AND sql LIKE '% IN (%'")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(lists.is_empty(), "{lists:?}");
        let whole: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok");
    }
}

fn held_post() -> Op {
    Op::Plan(Box::new(NewPost {
        run: RunId(1),
        workflow: "w".into(),
        once: Some("key".into()),
        item: None,
        theme: None,
        campaign: None,
        why: vec![],
        deliveries: vec![NewDelivery {
            target: "facebook".into(),
            held: Some("waits for a yes".into()),
            content: "{}".into(),
            seal: Digest::of(b"x"),
            needs_yes: true,
            due: at(10),
            until: None,
            guards: None,
            fallback: None,
        }],
    }))
}

fn armed(id: crate::domain::DeliveryId) -> Op {
    Op::Move(Box::new(DeliveryMove {
        id,
        from: &["held"],
        to: "armed",
        reason: "sending".into(),
        look_at: at(20),
        prepared: None,
        receipt: None,
        attempt: true,
        tell: true,
        private: Vec::new(),
    }))
}

#[test]
fn nothing_is_armed_without_a_yes_to_exactly_these_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, Mode::Inline);
    let made = store.commit(Change::new(at(1), vec![occurrence(1, None), held_post()])).unwrap();
    let id = made.deliveries[0];
    assert!(matches!(store.commit(Change::new(at(2), vec![armed(id)])), Err(CommitError::Refused(_))));
    let other = Op::Approve { id, seal: Digest::of(b"y").to_string(), by: "owner".into() };
    assert!(matches!(store.commit(Change::new(at(3), vec![other])), Err(CommitError::Refused(_))));
    let raw = Connection::open(store.path()).unwrap();
    assert!(raw.execute("UPDATE delivery SET content = '{\"text\":\"other\"}'", []).is_err(), "sealed content was changed");
    store.commit(Change::new(at(4), vec![Op::Approve { id, seal: Digest::of(b"x").to_string(), by: "owner".into() }])).unwrap();
    store.commit(Change::new(at(5), vec![armed(id)])).unwrap();
}

#[test]
fn a_post_is_made_once_for_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, Mode::Inline);
    let first = store.commit(Change::new(at(1), vec![occurrence(1, None), held_post()])).unwrap();
    let second = store.commit(Change::new(at(2), vec![held_post()])).unwrap();
    assert!(first.posts[0].is_some() && second.posts == vec![None] && second.deliveries.is_empty());
}

#[test]
fn foreign_newer_busy_and_damaged_files_are_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(
        path("text"),
        "this is not a database, it is a text of more than a hundred bytes, so that SQLite reads its header and says no",
    )
    .unwrap();
    assert!(matches!(Store::open(&path("text"), Mode::Inline), Err(OpenError::Foreign(_))));
    Connection::open(path("other")).unwrap().execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
    assert!(matches!(Store::open(&path("other"), Mode::Inline), Err(OpenError::Foreign(_))));
    drop(Store::open(&path("newer"), Mode::Inline).unwrap());
    Connection::open(path("newer")).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let newer = Store::open(&path("newer"), Mode::Inline).err().unwrap();
    assert!(newer.to_string().contains("schema 99"), "{newer}");
    let held = Store::open(&path("held"), Mode::Inline).unwrap();
    assert!(matches!(Store::open(&path("held"), Mode::Inline), Err(OpenError::InUse(_))));
    drop(held);
    Store::open(&path("held"), Mode::Inline).expect("the lock ends with its holder");
    assert!(matches!(Store::open(folder.path(), Mode::Inline), Err(OpenError::Unusable { .. })));
}

#[test]
fn a_full_disk_refuses_the_change_and_the_store_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, Mode::Inline);
    let Writer::Inline(half) = &store.writer else { panic!("opened inline") };
    let pages: i64 = half.lock().unwrap().connection.query_row("PRAGMA page_count", [], |r| r.get(0)).unwrap();
    half.lock().unwrap().connection.execute_batch(&format!("PRAGMA max_page_count = {}", pages + 2)).unwrap();
    let big = format!("\"{}\"", "x".repeat(200_000));
    assert_eq!(store.commit(Change::new(at(1), vec![set("small", "1"), set("big", &big)])), Err(CommitError::Full));
    assert!(view::state(&store.read().unwrap(), "small").unwrap().is_none());
    half.lock().unwrap().connection.execute_batch("PRAGMA max_page_count = 1000000").unwrap();
    store.commit(Change::new(at(2), vec![set("big", &big)])).expect("there is room again");
}

#[test]
fn a_backup_is_whole_and_never_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, Mode::Threaded);
    store.commit(Change::new(at(1), vec![set("n", "1")])).unwrap();
    let to = folder.path().join("copy.db");
    store.backup(&to).unwrap();
    assert!(store.backup(&to).unwrap_err().contains("exists already"));
    let copy = Store::open(&to, Mode::Inline).expect("a backup is a database");
    assert_eq!(view::state(&copy.read().unwrap(), "n").unwrap().unwrap().0, "1");
    assert_eq!(copy.instance(), store.instance());
}
