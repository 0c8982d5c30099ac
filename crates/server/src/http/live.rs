//! Live parts of pages: server-sent events about one run.

use std::{convert::Infallible, time::Duration};

use axum::response::sse::{Event, KeepAlive, Sse};
use base::RunId;
use futures::Stream;
use runs::{RunEvent, Status};
use tokio::sync::broadcast::error::RecvError;

use crate::app::App;

/// What happens to a run: `journal` events with a line each, `state` events with the
/// run, `progress` events while a step is at work. Starts with everything after line
/// `after`, so that a browser that reconnects misses nothing. Ends when the run has.
pub fn run_events(app: App, run: RunId, after: i64) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Event>(64);
    tokio::spawn(follow(app, run, after, sender));
    let events = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|event| (Ok(event), receiver))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

async fn follow(app: App, run: RunId, mut after: i64, sender: tokio::sync::mpsc::Sender<Event>) {
    // Listening starts before the first look, so that nothing falls between the two.
    let mut events = app.patching.engine().events();
    loop {
        let Ok(lines) = app.patching.journal(run, after).await else { return };
        for line in lines {
            after = line.number;
            let Ok(event) = Event::default().event("journal").id(after.to_string()).json_data(&line) else {
                return;
            };
            if sender.send(event).await.is_err() {
                return;
            }
        }
        let Ok(view) = app.patching.view(run).await else { return };
        let ended = view.record.status == Status::Finished;
        let Ok(event) = Event::default().event("state").json_data(&view) else { return };
        if sender.send(event).await.is_err() || ended {
            return;
        }
        if wait(&mut events, run, &sender).await.is_none() {
            return;
        }
    }
}

/// Waits until the run has changed, handing on progress meanwhile. None when nobody
/// listens any more.
async fn wait(
    events: &mut tokio::sync::broadcast::Receiver<RunEvent>,
    run: RunId,
    sender: &tokio::sync::mpsc::Sender<Event>,
) -> Option<()> {
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = sender.closed() => return None,
        };
        match event {
            Ok(RunEvent::Changed { run: changed }) if changed == run => return Some(()),
            Ok(RunEvent::Progress { run: of, step, percent, message }) if of == run => {
                let data = serde_json::json!({ "step": step, "percent": percent, "message": message });
                let event = Event::default().event("progress").json_data(data).ok()?;
                sender.send(event).await.ok()?;
            }
            Ok(_) => {}
            // Too slow for the events, but the store has everything.
            Err(RecvError::Lagged(_)) => return Some(()),
            Err(RecvError::Closed) => return None,
        }
    }
}
