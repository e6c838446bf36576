//! Real sockets: what only the kernel can do, RST above all.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use wsbench::relay::{Relay, Totals};

use super::{ANSWER, REQUEST, pong, start, text};

/// A relay in a thread of its own, before a listener that the test owns.
struct World {
    address: SocketAddr,
    target: TcpListener,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<Totals>>,
}

impl World {
    fn new(seed: u64, toxics: &'static [&'static str]) -> Self {
        let target = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let to = target.local_addr().expect("bound");
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default());
            runtime.expect("a runtime").block_on(async {
                let any = SocketAddr::from(([127, 0, 0, 1], 0));
                let relay = Relay::start(any, to, seed).expect("a free port");
                start(&relay, toxics);
                tell.send(relay.address()).expect("the test waits");
                let _ = stopped.await;
                relay.totals()
            })
        });
        let address = told.recv().expect("it starts").expect("it listens");
        Self {
            address,
            target,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// A client's and a server's socket behind an upgrade.
    fn pair(&self) -> io::Result<(TcpStream, TcpStream)> {
        let mut client = patient(TcpStream::connect(self.address)?);
        client.write_all(REQUEST)?;
        let mut server = patient(self.target.accept()?.0);
        exactly(&mut server, REQUEST.len())?;
        server.write_all(ANSWER)?;
        exactly(&mut client, ANSWER.len())?;
        Ok((client, server))
    }

    fn totals(mut self) -> Totals {
        drop(self.stop.take());
        let thread = self.thread.take().expect("running");
        thread.join().expect("it ends")
    }
}

/// Long enough for any machine, short enough to fail.
fn patient(stream: TcpStream) -> TcpStream {
    let wait = Some(Duration::from_secs(30));
    stream.set_read_timeout(wait).expect("a wait");
    stream
}

fn exactly(stream: &mut TcpStream, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// What came, and how it ended.
fn rest(stream: &mut TcpStream) -> (Vec<u8>, io::Result<()>) {
    let mut came = Vec::new();
    let end = stream.read_to_end(&mut came).map(|_| ());
    (came, end)
}

fn is_reset(end: io::Result<()>) -> bool {
    end.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
}

#[test]
fn a_cut_frame_leaves_half_of_it_and_a_reset_on_both_sides() {
    let world = World::new(1, &["cut_frame,frames=text,direction=downstream"]);
    let (mut client, mut server) = world.pair().expect("upgraded");
    let frame = text("0123456789");
    server
        .write_all(&[pong("x"), frame.clone()].concat())
        .expect("taken");
    let (came, end) = rest(&mut client);
    assert_eq!(came, [&pong("x"), &frame[..7]].concat());
    assert!(is_reset(end));
    assert!(is_reset(rest(&mut server).1));
    assert_eq!(world.totals().frames_cut, 1);
}

#[test]
fn a_reset_is_a_reset_for_both() {
    let world = World::new(1, &["reset_peer,timeout=200ms"]);
    let (mut client, mut server) = world.pair().expect("in time");
    assert!(is_reset(rest(&mut client).1));
    assert!(is_reset(rest(&mut server).1));
    assert_eq!(world.totals().reset, 1);
}

#[test]
fn who_is_down_lets_nobody_in() {
    let world = World::new(1, &["down"]);
    let mut client = patient(TcpStream::connect(world.address).expect("the socket listens"));
    assert!(is_reset(rest(&mut client).1));
    assert_eq!(world.totals().reset, 1);
}

#[test]
fn the_reset_of_one_side_is_passed_on() {
    let world = World::new(1, &[]);
    let (mut client, server) = world.pair().expect("upgraded");
    // Unread bytes make the kernel send RST at the end.
    client.write_all(b"unread").expect("taken");
    server.peek(&mut [0; 8]).expect("it is there");
    drop(server);
    assert!(is_reset(rest(&mut client).1));
    world.totals();
}

#[test]
fn one_direction_is_corrupted_and_the_other_is_not() {
    let world = World::new(1, &["corrupt,frames=text,direction=upstream"]);
    let (mut client, mut server) = world.pair().expect("upgraded");
    let sound = [text("the truth"), pong("nothing but")].concat();
    client.write_all(&sound).expect("taken");
    let came = exactly(&mut server, sound.len()).expect("as long");
    let changed: Vec<usize> = (0..sound.len())
        .filter(|at| came[*at] != sound[*at])
        .collect();
    assert!(matches!(changed[..], [2..=10]), "{changed:?}");
    server.write_all(&sound).expect("taken");
    assert_eq!(exactly(&mut client, sound.len()).expect("as long"), sound);
    assert_eq!(world.totals().frames_corrupted, 1);
}

#[test]
fn the_same_seed_has_the_same_victims() {
    let victims = |seed: u64| -> Vec<bool> {
        let world = World::new(seed, &["down,share=50%"]);
        let target = world.target.try_clone().expect("a descriptor");
        // Answers whoever comes through; ends with the process.
        std::thread::spawn(move || {
            for mut server in target.incoming().map_while(Result::ok) {
                let _ = server.write_all(ANSWER);
            }
        });
        let reached = (0..40).map(|_| {
            let mut client = patient(TcpStream::connect(world.address).expect("listens"));
            client.read_exact(&mut [0; 8]).is_err()
        });
        reached.collect()
    };
    let first = victims(3);
    let count = first.iter().filter(|hit| **hit).count();
    assert!((8..32).contains(&count), "{count}");
    assert_eq!(first, victims(3));
    assert_ne!(first, victims(4));
}

#[test]
fn a_target_that_is_away_resets_the_client() {
    let mut world = World::new(1, &[]);
    // Bound, but not to the relay's target any more.
    world.target = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut client = patient(TcpStream::connect(world.address).expect("listens"));
    assert!(is_reset(rest(&mut client).1));
    assert_eq!(world.totals().unreachable, 1);
}
