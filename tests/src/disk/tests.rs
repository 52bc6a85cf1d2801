//! The disk keeps what it must, and loses what it may.

use super::*;
use std::time::Duration;

fn disk() -> Disk {
    Disk::new(&PathBuf::from(format!("/disk/test-{}", NUMBER.fetch_add(1, Ordering::Relaxed))))
}

fn database(disk: &Disk, synchronous: &str) -> Connection {
    let db = disk.open("a.db").expect("it opens");
    db.execute_batch(&format!("PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};")).expect("WAL works here");
    db
}

fn count(disk: &Disk) -> i64 {
    let db = disk.open("a.db").expect("it opens");
    assert_eq!(db.query_row("PRAGMA integrity_check", [], |r| r.get::<_, String>(0)).expect("checked"), "ok");
    db.query_row("SELECT count(*) FROM t", [], |r| r.get(0)).expect("counted")
}

#[test]
fn what_was_committed_in_full_mode_survives_and_in_normal_mode_does_not() {
    for (mode, left) in [("FULL", 3), ("NORMAL", 0)] {
        let disk = disk();
        let db = database(&disk, "FULL");
        db.execute_batch("CREATE TABLE t (x)").expect("made");
        db.execute_batch(&format!("PRAGMA synchronous = {mode}")).expect("set");
        for n in 0..3 {
            db.execute("INSERT INTO t VALUES (?1)", [n]).expect("inserted");
        }
        assert_eq!(count(&disk.after(Loss::Nothing)), 3);
        assert_eq!(count(&disk.after(Loss::All)), left, "synchronous = {mode}");
        disk.cut();
        assert!(db.execute("INSERT INTO t VALUES (9)", []).is_err());
        disk.restore(Loss::All);
        assert!(db.execute("INSERT INTO t VALUES (9)", []).is_err(), "what was open before is of no use any more");
        drop(db);
        assert_eq!(count(&disk), left);
    }
}

#[test]
fn connections_on_several_threads_see_what_the_others_commit() {
    let disk = disk();
    let db = database(&disk, "FULL");
    db.execute_batch("CREATE TABLE t (x)").expect("made");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let own = disk.open("a.db").expect("it opens");
                own.busy_timeout(Duration::from_secs(20)).expect("set");
                for n in 0..50 {
                    own.execute("INSERT INTO t VALUES (?1)", [n]).expect("inserted");
                    own.query_row("SELECT count(*) FROM t", [], |r| r.get::<_, i64>(0)).expect("read");
                }
            });
        }
    });
    assert_eq!(count(&disk), 200);
}

#[test]
fn wherever_the_power_goes_every_acknowledged_commit_is_there_and_the_file_is_whole() {
    for at in 1..400 {
        let disk = disk();
        let db = database(&disk, "FULL");
        db.execute_batch("PRAGMA wal_autocheckpoint = 8; CREATE TABLE t (x)").expect("made");
        disk.cut_after(at);
        let mut done = 0;
        while done < 40 && db.execute("INSERT INTO t VALUES (zeroblob(3000))", []).is_ok() {
            done += 1;
        }
        drop(db);
        disk.restore(Loss::Seeded(at));
        let found = count(&disk);
        assert!(found == done || found == done + 1, "cut at {at}: {done} were acknowledged, {found} are there");
    }
}

#[test]
fn a_full_disk_and_a_failing_sync_refuse_the_commit_and_do_no_harm() {
    let disk = disk();
    let db = database(&disk, "FULL");
    db.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").expect("made");
    disk.now_full(true);
    let full = db.execute("INSERT INTO t VALUES (2)", []).expect_err("no room");
    assert_eq!(full.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull));
    disk.now_full(false);
    for how in [Failing::Kept, Failing::Forgotten] {
        disk.fail_syncs(1, how);
        db.execute("INSERT INTO t VALUES (3)", []).expect_err("the sync fails");
        db.execute("INSERT INTO t VALUES (4)", []).expect("the next one works");
    }
    assert_eq!(disk.failures(), 3);
    assert_eq!(count(&disk.after(Loss::All)), 3);
    drop(db);
    assert_eq!(count(&disk), 3);
}

#[test]
fn the_disk_tells_in_which_order_it_was_asked() {
    let disk = disk();
    let db = database(&disk, "FULL");
    db.execute_batch("CREATE TABLE t (x)").expect("made");
    disk.watch();
    db.execute("INSERT INTO t VALUES (1)", []).expect("inserted");
    let asked = disk.asked();
    assert!(asked.iter().all(|a| a.file == "a.db-wal"), "{asked:?}");
    assert_eq!(asked.last().map(|a| a.act), Some(Act::Sync), "{asked:?}");
    assert!(matches!(asked[0].act, Act::Write(24)), "a frame begins with its header: {asked:?}");
}
