use crate::{
    Config,
    service::Gradient,
    transport::{direct::DirectLayer, guard::GuardLayer, listen::incoming},
};
use anyhow::Context;
use gradient_proto::{FILE_DESCRIPTOR_SET, v1::gradient_service_server::GradientServiceServer};
use std::{future::Future, pin::pin, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::oneshot, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::Server;
use tonic_health::{ServingStatus, server::HealthReporter};

/// Name of the service, as health checks ask for it.
const SERVICE: &str = "gradient.v1.GradientService";
const PATH: &str = "/gradient.v1.GradientService/";

/// What a client may send ahead on one call, so that large tensors do not wait for round trips; four times that on
/// one connection.
const STREAM_WINDOW: u32 = 4 << 20;

/// Serves until `shutdown` completes and the calls that run then have finished (at most `drain_timeout` later).
///
/// Health, reflection and grpc-web are served on the same port. Logs one line `listening on ADDR` when ready.
///
/// # Errors
/// A listener or a configuration that cannot be used, threads that cannot be started.
pub async fn run(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    let config = Arc::new(config);
    gradient_engine::tape::native::set_native(config.native);
    let draining = CancellationToken::new();
    let closing = CancellationToken::new();
    let calls = TaskTracker::new();
    let gradient = Gradient::new(config.clone(), draining.clone())
        .context("cannot start the threads that compute")?;

    let limit = config.max_message_bytes as usize;
    let guard = GuardLayer {
        path: PATH,
        calls: calls.clone(),
    };
    let direct = DirectLayer {
        guard: guard.clone(),
        gradient: gradient.clone(),
        limit,
    };
    let gradient = GradientServiceServer::new(gradient)
        .max_decoding_message_size(limit)
        .max_encoding_message_size(limit);
    let (health, health_service) = tonic_health::server::health_reporter();
    health
        .set_service_status(SERVICE, ServingStatus::Serving)
        .await;

    let (stop, stopped) = oneshot::channel();
    let server = Server::builder()
        .accept_http1(true)
        .http2_keepalive_interval(Some(config.keepalive_interval))
        .http2_keepalive_timeout(Some(config.keepalive_timeout))
        .max_concurrent_streams(config.max_concurrent_streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(4 * STREAM_WINDOW)
        .layer(direct)
        .layer(tonic_web::GrpcWebLayer::new())
        .layer(guard)
        .add_service(gradient)
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .serve_with_incoming_shutdown(
            incoming(listener, config.keepalive_timeout, closing.clone()),
            async {
                // Dropped is as good as sent.
                let _ = stopped.await;
            },
        );
    let mut server = pin!(server);
    tracing::info!("listening on {address}");

    tokio::select! {
        served = &mut server => return served.context("the server stopped by itself"),
        () = shutdown => {}
    }
    tracing::info!(
        "shutting down: running calls have {:?}",
        config.drain_timeout
    );
    drain(&health).await;
    draining.cancel();
    let _ = stop.send(());
    calls.close();
    let finished = async {
        calls.wait().await;
        // Their last bytes are on the way. Streams that only watch never end by themselves.
        tokio::time::sleep(Duration::from_millis(250)).await;
    };
    let served = tokio::select! {
        served = &mut server => Some(served),
        drained = timeout(config.drain_timeout, finished) => {
            if drained.is_err() {
                tracing::warn!("calls were still running after {:?}; cutting them", config.drain_timeout);
            }
            None
        }
    };
    let served = match served {
        Some(served) => served,
        None => {
            closing.cancel();
            timeout(Duration::from_secs(1), server)
                .await
                .unwrap_or(Ok(()))
        }
    };
    tracing::info!("stopped");
    served.context("the server failed while it shut down")
}

async fn drain(health: &HealthReporter) {
    for service in ["", SERVICE] {
        health
            .set_service_status(service, ServingStatus::NotServing)
            .await;
    }
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
