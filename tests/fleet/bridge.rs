//! The parent's end against workers that do not do what they should.

use std::io::Cursor;
use std::ops::Range;

use tokio::sync::{mpsc, watch};
use wsbench::clock::Epoch;
use wsbench::engine::fleet::{Exchange, FromWorker, Start, connect, write_frame};
use wsbench::engine::shard::{Message, Report};
use wsbench::engine::stage::Stage;

fn ended() -> Message {
    Message::Ended {
        open: 0,
        pacing: "timerfd".into(),
    }
}

/// All that comes of workers that say so much and then end.
fn heard(workers: Vec<(Range<u16>, Vec<u8>)>) -> Vec<Report> {
    let exchanges = workers.into_iter().map(|(own, bytes)| Exchange {
        own,
        from: Box::new(Cursor::new(bytes)),
        to: Box::new(std::io::sink()),
        end: Box::new(|| "signal: 9".to_owned()),
    });
    let (reports, mut inbox) = mpsc::channel(64);
    let (_stage, stages) = watch::channel(Stage::Running);
    let epoch = Epoch::now().share();
    connect(exchanges.collect(), Start { epoch }, &reports, stages).expect("threads");
    drop(reports);
    let mut all = Vec::new();
    while let Some(report) = inbox.blocking_recv() {
        all.push(report);
    }
    all.sort_by_key(|(shard, _)| *shard);
    all
}

fn bytes(values: Vec<FromWorker>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for value in &values {
        write_frame(&mut bytes, value).expect("it fits");
    }
    bytes
}

fn report(shard: u16, message: Message) -> FromWorker {
    FromWorker::Report((shard, message))
}

#[test]
fn a_worker_that_fails_loses_what_has_not_ended_and_the_others_go_on() {
    let mut cut = bytes(vec![report(0, ended()), report(1, ended())]);
    cut.truncate(cut.len() - 1);
    let garbage = [bytes(vec![report(0, Message::Idle)]), vec![1, 0, 0, 0, 99]].concat();
    let foreign = bytes(vec![report(2, ended())]);
    let untimely = bytes(vec![report(0, ended()), FromWorker::Ready]);
    let silent = Vec::new();
    for (broken, lost, why) in [
        (cut, vec![1], "it sent a frame that is cut off (signal: 9)"),
        (garbage, vec![0, 1], "it sent a frame that cannot be read"),
        (foreign, vec![0, 1], "shard 2, which is not its own"),
        (untimely, vec![1], "what nobody asked for"),
        (silent, vec![0, 1], "ended early: signal: 9"),
    ] {
        let good = bytes(vec![report(2, Message::Idle), report(2, ended())]);
        let all = heard(vec![(0..2, broken), (2..3, good)]);
        let gone = all.iter().filter_map(|(shard, message)| match message {
            Message::Lost(text) => {
                assert!(text.contains(why), "{text}");
                assert!(text.contains("shards 0 to 1"), "{text}");
                Some(*shard)
            }
            _ => None,
        });
        assert_eq!(gone.collect::<Vec<_>>(), lost, "{why}");
        assert!(all.contains(&(2, Message::Idle)) && all.contains(&(2, ended())));
    }
}
