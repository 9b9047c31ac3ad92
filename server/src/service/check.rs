//! CheckDerivatives.

use super::{Core, StopOnDrop};
use crate::{
    error::{Error, Result},
    executor::Price,
    telemetry::note,
    wire::{check, graph::rename},
};
use gradient_engine as engine;
use gradient_proto::v1 as pb;
use std::time::Duration;

impl Core {
    pub async fn check(
        &self,
        mut request: pb::CheckDerivativesRequest,
        stop: StopOnDrop,
    ) -> Result<pb::CheckDerivativesResponse> {
        let source = request.graph.take().try_into()?;
        let at = self.resolve(source, || check::mentions(&request)).await?;
        let wanted = check::decode(request, at.named(), &self.config, &self.tensors)?;
        let admitted = wanted.request.admit(&at.graph.graph);
        let operations = admitted.map_err(|error| Error::of_engine(error, &[]))?;

        let names = at.names.clone();
        let graph_id = at.graph.text.to_string();
        let price = Price {
            predicted: Duration::from_nanos(operations),
            payload_bytes: wanted.inputs.iter().map(|input| input.bytes()).sum(),
        };
        let flag = stop.flag();
        let work = move |scratch: &mut _| {
            // Verdicts name inputs and outputs: by the names that the client knows.
            let renamed = match at.graph.is_original(&at.names) {
                true => None,
                false => Some(rename(&at.graph.graph, &at.names)?),
            };
            let graph = renamed.as_ref().unwrap_or(&at.graph.graph);
            let point: Vec<_> = wanted.inputs.iter().map(|input| input.as_ref()).collect();
            let budget = Some(wanted.memory);
            engine::check(graph, &wanted.request, &point, budget, scratch, &flag)
                .map_err(|error| Error::of_engine(error, &[]))
        };
        let certificate = self.executor.run(price, work).await?.value?;
        note("passed", certificate.passed);
        let answer = check::encode(certificate, graph_id, &names);
        self.sendable(answer, "check fewer outputs or wrt at a time")
    }
}
