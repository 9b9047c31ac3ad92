//! Many requests over one call, pipelined.

use futures::{Stream, StreamExt, stream};
use gradient_proto::v1::{self as proto, evaluate_stream_response::Result as Reply};
use tokio::sync::mpsc;
use tonic::Streaming;

use super::{Answer, Request, Session, request::Encoded};
use crate::{
    client::name_graph,
    error::{Error, RpcError},
};

/// A request that was sent, or could not be: its answer's place in the order.
type Pending = Result<Encoded, Error>;

/// The answering half of the call.
struct Inbound {
    session: Session,
    pending: mpsc::Receiver<Pending>,
    replies: Streaming<proto::EvaluateStreamResponse>,
}

impl Session {
    /// Evaluates a stream of requests over one call; answers come in the order of the requests. At most `window`
    /// requests wait for their answers at a time; the next is taken from the stream only when there is room.
    ///
    /// A request that fails, fails alone: the stream goes on. It ends early only when the connection breaks, with
    /// that error as the last item.
    ///
    /// # Errors
    /// If the graph cannot be registered or the call not be opened.
    pub async fn stream<S>(
        &self,
        requests: S,
        window: usize,
    ) -> Result<impl Stream<Item = Result<Answer, Error>> + Send + use<S>, Error>
    where
        S: Stream<Item = Request> + Send + 'static,
    {
        let graph_id = self.graph_id().await?.to_owned();
        let (sender, pending) = mpsc::channel(window.max(1));
        let outbound = requests.filter_map({
            let graph_id = graph_id.clone();
            move |request| {
                let encoded = request.encode();
                let message = encoded
                    .as_ref()
                    .ok()
                    .map(|encoded| encoded.to_graph(&graph_id));
                let sender = sender.clone();
                async move {
                    // Waits for room. If nobody listens any more, the call is being dropped.
                    sender.send(encoded).await.ok()?;
                    Some(proto::EvaluateStreamRequest {
                        request: Some(message?),
                    })
                }
            }
        });
        let mut call = tonic::Request::new(outbound);
        name_graph(&mut call, Some(&graph_id));
        let replies = self.client.stub().evaluate_stream(call).await?.into_inner();
        let inbound = Inbound {
            session: self.clone(),
            pending,
            replies,
        };
        Ok(stream::unfold(Some(inbound), |inbound| async {
            let mut inbound = inbound?;
            let pending = inbound.pending.recv().await?;
            let (item, broken) = inbound.answer(pending).await;
            Some((item, (!broken).then_some(inbound)))
        }))
    }
}

impl Inbound {
    /// The answer to a request, and whether it is the last one because the connection is broken.
    async fn answer(&mut self, pending: Pending) -> (Result<Answer, Error>, bool) {
        let encoded = match pending {
            Ok(encoded) => encoded,
            Err(error) => return (Err(error), false),
        };
        let reply = match self.replies.message().await {
            Ok(Some(reply)) => reply,
            Ok(None) => {
                return (
                    Err(Error::Protocol("the stream of answers ended early".into())),
                    true,
                );
            }
            Err(status) => return (Err(status.into()), true),
        };
        let item = match reply.result {
            Some(Reply::Response(response)) => encoded.decode(&self.session, response),
            Some(Reply::Error(status)) => self.failed(&encoded, status.into()).await,
            None => Err(Error::Protocol("an empty answer".into())),
        };
        (item, false)
    }

    /// A graph that the server has lost comes back with a single call.
    async fn failed(&self, encoded: &Encoded, error: RpcError) -> Result<Answer, Error> {
        if error.is_graph_not_registered() && self.session.graph.is_some() {
            self.session.evaluate(encoded).await
        } else {
            Err(self.session.translate(error.into()))
        }
    }
}
