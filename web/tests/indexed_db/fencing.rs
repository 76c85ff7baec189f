//! Who may write: the newest owner, and nobody before him.

use brooklet_web::storage::{Answer, Batch, Request};
use wasm_bindgen_test::wasm_bindgen_test;

use super::{Db, OPEN, bytes, js, new_name};

#[wasm_bindgen_test]
async fn an_epoch_is_claimed_above_all_others() {
    let name = new_name("claims");
    let mut db = Db::open(&name).await;
    for (epoch, expected) in
        [(1, true), (1, false), (7, true), (8, true), (3, false), (8, false), (20, true), (7, false)]
    {
        let answer = db.claim(epoch).await;
        assert_eq!(answer == Answer::Done, expected, "{epoch}: {answer:?}");
        assert_eq!(answer == Answer::Fenced, !expected, "{epoch}: {answer:?}");
    }
    assert_eq!(db.ask(Request::ReadEpoch).await, Answer::Number(20));
    assert_eq!(db.ask(OPEN).await, Answer::Done);
    assert_eq!(db.ask(Request::ReadEpoch).await, Answer::Number(20));
    let mut other = Db::open(&name).await;
    assert_eq!(other.ask(Request::ReadEpoch).await, Answer::Number(20));
    // The last number there is.
    assert_eq!(other.claim((1 << 53) - 1).await, Answer::Done);
    assert_eq!(other.append((1 << 53) - 1, 1, b"last").await, Answer::Done);
    assert_eq!(other.ask(Request::ReadEpoch).await, Answer::Number((1 << 53) - 1));
}

#[wasm_bindgen_test]
async fn a_claim_may_bring_something_along() {
    let name = new_name("claim and write");
    let mut first = Db::owner(&name, 1).await;
    assert_eq!(first.append(1, 1, b"one").await, Answer::Done);
    let mut second = Db::open(&name).await;
    let batch = Batch { epoch: 2, claims: true, chunks: &[(2, b"two")], quarantine_from: Some(1), ..Batch::default() };
    let late = Batch { epoch: 1, ..batch };
    assert_eq!(second.write(late).await, Answer::Fenced);
    assert_eq!(second.log().await, [(1, bytes("one"))]);
    assert_eq!(second.write(batch).await, Answer::Done);
    assert_eq!(second.log().await, []);
    assert_eq!(first.append(1, 3, b"three").await, Answer::Fenced);
    assert_eq!(second.log().await, []);
}

#[wasm_bindgen_test]
async fn no_stale_owner_lands_anything() {
    let name = new_name("stale");
    // Each of these is overtaken by the next one, the numbers between them never being claimed.
    let epochs = [1, 2, 7, 8, 100, 103];
    let mut owners = Vec::new();
    for epoch in epochs {
        let mut owner = Db::owner(&name, epoch).await;
        assert_eq!(owner.append(epoch, epoch, b"mine").await, Answer::Done);
        owners.push((epoch, owner));
    }
    let (last, mut newest) = owners.pop().unwrap();
    let batches = |epoch| {
        let batch = Batch { epoch, ..Batch::default() };
        [
            batch,
            Batch { chunks: &[(200, b"stale")], ..batch },
            Batch { chunks: &[(1, b"stale"), (200, b"stale")], is_durable: true, ..batch },
            Batch { parts: &[(1, b"stale")], ..batch },
            Batch { manifest: Some(b"stale"), delete_log_upto: Some(100), ..batch },
            Batch { delete_log_from: Some(2), ..batch },
            Batch { quarantine_from: Some(2), ..batch },
            Batch { delete_parts: &[0], ..batch },
            Batch { claims: true, ..batch },
        ]
    };
    assert_eq!(newest.write(Batch { epoch: last, parts: &[(0, b"part")], ..Batch::default() }).await, Answer::Done);
    // Before and after the log was cut off under them, and after the newest owner wrote again.
    for round in 0..3 {
        let before = newest.everything().await;
        for (epoch, owner) in &mut owners {
            for batch in batches(*epoch) {
                assert_eq!(owner.write(batch).await, Answer::Fenced, "{round}: {batch:?}");
            }
        }
        assert_eq!(newest.everything().await, before, "{round}");
        let batch = Batch { epoch: last, delete_log_upto: Some(50 + 30 * round), ..Batch::default() };
        assert_eq!(newest.write(batch).await, Answer::Done);
    }
}

#[wasm_bindgen_test]
async fn a_thousand_stale_writes_land_nothing() {
    let name = new_name("thousand");
    let mut stale = Db::owner(&name, 4).await;
    assert_eq!(stale.append(4, 1, b"before").await, Answer::Done);
    let mut newest = Db::owner(&name, 9).await;
    // All are placed at once, while the newest owner writes.
    let mut pending = Vec::new();
    for sequence in 2..1202 {
        let chunks: [(u64, &[u8]); 1] = [(sequence, b"stale")];
        pending.push(stale.place(Request::Write(Batch { epoch: 4, chunks: &chunks, ..Batch::default() })));
    }
    for sequence in 1300..1320 {
        assert_eq!(newest.append(9, sequence, b"new").await, Answer::Done);
    }
    for pending in pending {
        assert_eq!(pending.answer().await, Answer::Fenced);
    }
    let log = newest.log().await;
    assert_eq!(log.len(), 21);
    assert!(log.iter().all(|(sequence, _)| *sequence == 1 || *sequence >= 1300));
}

/// Somebody whose epoch was never claimed needs a claim that nobody may have.
#[wasm_bindgen_test]
async fn an_epoch_that_was_never_claimed_is_looked_at() {
    let name = new_name("unclaimed");
    let mut owner = Db::owner(&name, 5).await;
    let mut other = Db::open(&name).await;
    for epoch in [0, 1, 3, 4] {
        assert_eq!(other.append(epoch, 1, b"stale").await, Answer::Fenced, "{epoch}");
    }
    // It is as if he had the epoch from somebody who claimed it.
    assert_eq!(other.append(5, 1, b"mine").await, Answer::Done);
    assert_eq!(owner.append(5, 2, b"mine, too").await, Answer::Done);
    assert_eq!(owner.claim(11).await, Answer::Done);
    assert_eq!(other.append(5, 3, b"stale").await, Answer::Fenced);
    assert_eq!(owner.log().await.len(), 2);
}

#[wasm_bindgen_test]
async fn of_two_claims_one_wins() {
    let name = new_name("race");
    let mut dbs = [Db::open(&name).await, Db::open(&name).await];
    for epoch in 1..=40 {
        let claim = Request::Write(Batch { epoch, claims: true, is_durable: true, ..Batch::default() });
        let order = if epoch % 2 == 0 { [0, 1] } else { [1, 0] };
        let pending = order.map(|index| dbs[index].place(claim));
        let mut answers = Vec::new();
        for pending in pending {
            answers.push(pending.answer().await);
        }
        assert_eq!(answers, [Answer::Done, Answer::Fenced], "{epoch}");
        let [winner, loser] = order;
        assert_eq!(dbs[loser].append(epoch - 1, 1, b"stale").await, Answer::Fenced);
        assert_eq!(dbs[winner].append(epoch, epoch, b"mine").await, Answer::Done);
    }
    assert_eq!(dbs[0].log().await.len(), 40);
}

#[wasm_bindgen_test]
async fn old_rows_go_and_young_ones_stay() {
    // How many rows there are, how many of them are old, and how many there are after a claim, and after another one.
    for (rows, old, expected) in [(1200, 1200, [1101, 1002]), (1200, 30, [1171, 1172]), (900, 900, [901, 902])] {
        let name = new_name("rows");
        let mut db = Db::owner(&name, 1).await;
        js(
            &name,
            &format!(
                "await raw(['head'], (head) => {{
                    head.clear()
                    const day = 24 * 60 * 60 * 1000
                    for (let n = 1; n <= {rows}; n++) {{
                        const at = Date.now() - (n <= {old} ? 31 : 29) * day
                        head.put({{ id: 'e' + String(n).padStart(16, '0'), claim: n, at }})
                    }}
                }})"
            ),
        )
        .await;
        for (epoch, expected) in (rows + 1..).zip(expected) {
            assert_eq!(db.claim(epoch).await, Answer::Done);
            assert_eq!(js(&name, "return await raw(['head'], (head) => head.count())").await, expected);
            assert_eq!(db.ask(Request::ReadEpoch).await, Answer::Number(epoch));
        }
    }
}
