//! Ctrl-C and SIGTERM as wishes to the run, on a thread of their own: nothing the run does can keep
//! a second Ctrl-C from being heard.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::engine::run::Interrupt;

/// Starts listening; the first wish drains the run, the second cuts it.
pub fn watch(quiet: bool) -> anyhow::Result<mpsc::Receiver<Interrupt>> {
    let (wishes, heard) = mpsc::channel(4);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("listen for signals")?;
    let (mut interrupt, mut terminate, mut hang_up) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt()).context("listen for SIGINT")?,
            signal(SignalKind::terminate()).context("listen for SIGTERM")?,
            signal(SignalKind::hangup()).context("listen for SIGHUP")?,
        )
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                let mut heard_before = quiet;
                loop {
                    let wish = tokio::select! {
                        _ = interrupt.recv() => Interrupt::Interrupted,
                        _ = terminate.recv() => Interrupt::Terminated,
                        _ = hang_up.recv() => Interrupt::Terminated,
                        // Nobody listens any more: a command of many runs has one thread at a time.
                        () = wishes.closed() => return,
                    };
                    say(&mut heard_before);
                    if wishes.send(wish).await.is_err() {
                        // The run is over and only its results are being written: let them.
                        return;
                    }
                }
            });
        })
        .context("start the signal thread")?;
    Ok(heard)
}

/// Tells, once, what the first signal does and what a second one would do.
fn say(told: &mut bool) {
    if !std::mem::replace(told, true) {
        let text = "\nstopping: waiting for outstanding answers (once more to stop at once)\n";
        // Nobody reading stderr any more must not stop us from stopping.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    }
}
