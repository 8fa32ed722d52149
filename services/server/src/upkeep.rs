//! What a server does without being asked: it looks whether its index answers and whether keys have changed, counts what
//! there is, and removes what nobody sees. In a large cluster the last two take minutes, so they go on beside the first, and
//! the longer they take, the longer it is until they are done again.

use std::collections::BTreeSet;
use std::time::Duration;

use tamis::document::TenantId;
use tamis::error::{Error, Result};
use tamis::index::qdrant::SWEPT_AFTER;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::app::App;
use crate::contract::SERVICES;
use crate::pace::paced;

/// How often the index is asked whether it answers.
const LOOK: Duration = Duration::from_secs(2);
/// How often what there is is counted.
const COUNT: Duration = Duration::from_secs(30);
/// How often what could not follow a write, on a full disk, is tried again without one.
const CATCH_UP: Duration = Duration::from_secs(10);
/// How often stale segments are removed; several servers of one cluster do it each for itself, which does no harm.
const SWEEP: Duration = Duration::from_secs(3600);

/// Goes on until the server stops. Services are ready while the index is.
pub(crate) async fn run(app: App, health: HealthReporter) {
    tokio::join!(
        look(&app, &health),
        again(&app, Duration::ZERO, COUNT, count),
        again(&app, CATCH_UP, CATCH_UP, catch_up),
        again(&app, SWEEP, SWEEP, sweep)
    );
}

async fn look(app: &App, health: &HealthReporter) {
    let (mut ticks, mut was_ready) = (interval(LOOK), true);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = app.stopping.cancelled() => return,
        }
        let ours = app.clone();
        let look = move || {
            ours.refresh();
            if !ours.metrics.wants_restart() && ours.index.wants_reopening() {
                tracing::error!(
                    "the store takes no writes since one failed: there is room again, so restart the server"
                );
                ours.metrics.set_wants_restart(true);
            }
            ours.index.ready()
        };
        let ready = tokio::task::spawn_blocking(look).await;
        let is_ready = matches!(ready, Ok(Ok(())));
        if is_ready != was_ready && !app.stopping.is_cancelled() {
            match ready {
                Ok(Err(e)) => tracing::error!("not ready: {e}"),
                _ => tracing::info!("ready again"),
            }
            let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
            for service in SERVICES {
                health.set_service_status(service, status).await;
            }
            app.metrics.set_ready(is_ready);
            was_ready = is_ready;
        }
    }
}

/// Does something now and then, for the first time after so long.
async fn again(app: &App, first: Duration, every: Duration, what: fn(&App) -> Result<()>) {
    let mut due = first;
    loop {
        tokio::select! {
            () = sleep(due) => {}
            () = app.stopping.cancelled() => return,
        }
        if !app.metrics.is_ready() {
            due = LOOK;
            continue;
        }
        let (ours, began) = (app.clone(), Instant::now());
        if let Ok(Err(e)) = tokio::task::spawn_blocking(move || what(&ours)).await {
            tracing::warn!("upkeep: {e}");
        }
        due = paced(every, began.elapsed());
    }
}

/// Tells the metrics what there is.
fn count(app: &App) -> Result<()> {
    let tenants: BTreeSet<TenantId> = app.index.scopes()?.into_iter().map(|scope| scope.tenant).collect();
    let (mut documents, mut segments, mut bytes) = (0, 0, 0);
    for tenant in tenants {
        if app.stopping.is_cancelled() {
            return Ok(());
        }
        for info in app.index.collections(&tenant)? {
            (documents, segments, bytes) = (documents + info.documents, segments + info.segments, bytes + info.bytes);
        }
    }
    app.metrics.index(documents, segments, bytes);
    Ok(())
}

fn catch_up(app: &App) -> Result<()> {
    let mut all = Ok(());
    for scope in app.index.scopes()? {
        if app.stopping.is_cancelled() {
            break;
        }
        match app.index.catch_up(&scope) {
            Err(Error::NotFound { .. }) => {} // deleted meanwhile
            done => all = all.and(done),
        }
    }
    all
}

fn sweep(app: &App) -> Result<()> {
    for scope in app.index.scopes()? {
        if app.stopping.is_cancelled() {
            break;
        }
        let segments = app.index.sweep(&scope, SWEPT_AFTER)?;
        if segments > 0 {
            tracing::info!(segments, "swept {scope}");
        }
    }
    Ok(())
}
