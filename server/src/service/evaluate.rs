//! Evaluate and PlanEvaluation.

use super::{Core, StopOnDrop, familiar::Call, graphs::note_graph};
use crate::{
    cache::{Compiled, Found},
    error::{Error, Result},
    executor::{Price, Ran, TRIFLE, here, release},
    store::Registered,
    telemetry::{Prediction, note},
    wire::{
        answer::Answer,
        encode,
        names::Signature,
        request::{self, Evaluation, admit_memory, decode_evaluation, decode_plan, reply_limit},
    },
};
use gradient_engine::{Plan, Results, Scratch};
use gradient_proto::v1::{self as pb, evaluate_request::Graph};
use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

/// A call of Evaluate that is ready to run.
pub struct Prepared {
    pub request_id: String,
    pub graph: Arc<Registered>,
    pub names: Arc<Signature>,
    pub evaluation: Arc<Evaluation>,
    pub compiled: Arc<Compiled>,
    pub found: Found,
    /// How long the program was waited for.
    pub compile: Duration,
}

impl Core {
    pub async fn evaluate(&self, request: pb::EvaluateRequest, stop: StopOnDrop) -> Result<Answer> {
        let call = self.prepare(request).await?;
        self.perform(call, stop).await
    }

    /// Answers a call whose like may come again.
    pub async fn answer(&self, call: Call, stop: StopOnDrop) -> Result<Answer> {
        let call = match call {
            Call::Familiar(call) => {
                note_graph(&call.graph);
                call
            }
            Call::Other {
                request,
                message,
                stranger,
            } => {
                let is_registered = matches!(request.graph, Some(Graph::GraphId(_)));
                let call = Box::pin(self.prepare(*request)).await?;
                if is_registered {
                    self.familiars.meet(stranger, &message, &call);
                }
                call
            }
        };
        self.perform(call, stop).await
    }

    /// Reads a call, and finds the program that it needs.
    pub async fn prepare(&self, mut request: pb::EvaluateRequest) -> Result<Prepared> {
        let request_id = mem::take(&mut request.request_id);
        let source = request.graph.take().try_into()?;
        let mentions = || request::mentions_of_evaluation(&request);
        let at = self.resolve(source, mentions).await?;
        let evaluation = decode_evaluation(request, at.named(), &self.config, &self.tensors)?;

        let wanted = &evaluation.compilation;
        let asked = Instant::now();
        let compiling = self
            .cache
            .compile(&at.graph, wanted.request.clone(), &wanted.paths);
        let (compiled, found) = compiling.await?;
        let compile = match found {
            Found::Hit => Duration::ZERO,
            Found::Miss => compiled.took,
            Found::Joined => asked.elapsed(),
        };
        Ok(Prepared {
            request_id,
            graph: at.graph,
            names: at.names,
            evaluation: Arc::new(evaluation),
            compiled,
            found,
            compile,
        })
    }

    /// Runs a call.
    pub async fn perform(&self, call: Prepared, stop: StopOnDrop) -> Result<Answer> {
        let Prepared {
            request_id,
            graph,
            names,
            evaluation,
            compiled,
            found,
            compile,
        } = call;
        let wanted = &evaluation.compilation;
        note_plans(compiled.program.plans(), found);

        let program = &compiled.program;
        let estimate = program.estimate(wanted.batch);
        admit_memory(wanted.memory, estimate.bytes)?;
        let prediction = Prediction::new(&wanted.request, program.plans(), estimate.predicted);
        let limit = self.config.max_message_bytes;
        if let Some(reply) = (program.result_bytes(wanted.batch)).filter(|&bytes| bytes > limit) {
            let repair = "use a smaller batch, or fewer outputs or wrt at a time";
            return Err(reply_limit(limit, reply, repair));
        }
        let price = Price {
            predicted: estimate.predicted,
            payload_bytes: evaluation.payload_bytes(),
        };
        // Counts this evaluation among those of its program until it is answered.
        let visit = self.coalescer.enter(&compiled, &evaluation, estimate);
        let together = match &visit {
            Some(visit) => {
                // What waits is large, and for most there is nothing to wait for: boxed, it is not moved with them.
                Box::pin(visit.together(&graph, &evaluation, stop.deadline)).await
            }
            None => None,
        };
        let ran = match together {
            Some(ran) => Ran {
                value: Results::of(ran.value),
                queued: ran.queued,
                took: ran.took,
            },
            None => {
                let work = {
                    let (program, flag) = (program.clone(), stop.flag());
                    let evaluation = evaluation.clone();
                    move |scratch: &mut Scratch| {
                        let results = program.results(&evaluation.arguments(), scratch, &flag);
                        release(scratch, estimate.bytes);
                        results
                    }
                };
                // How often bodies run, and how deep, nobody knows before.
                let bounded = graph.graph.functions().is_empty();
                let ran = match bounded && estimate.predicted <= TRIFLE {
                    true => here(work)?,
                    false => Box::pin(self.executor.run(price, work)).await?,
                };
                let results = ran
                    .value
                    .map_err(|error| Error::of_engine(error, &wanted.paths))?;
                prediction.compare(ran.took);
                if let Some(visit) = &visit {
                    visit.ran_alone(ran.took);
                }
                Ran {
                    value: results,
                    queued: ran.queued,
                    took: ran.took,
                }
            }
        };

        let results = encode::results(ran.value, &compiled.outline.patterns, &names);
        let head = pb::EvaluateResponse {
            request_id,
            graph_id: graph.text.to_string(),
            results: vec![],
            timing: Some(pb::Timing {
                queue: Some(encode::duration(ran.queued)),
                compile: Some(encode::duration(compile)),
                execute: Some(encode::duration(ran.took)),
                cache: encode::found(found).into(),
                tier: pb::Tier::Interpreter.into(),
            }),
        };
        let answer = Answer::new(head, results, compiled.outline.clone());
        let repair = "use a smaller batch, or fewer outputs, wrt or directions at a time";
        self.admit_reply(answer.encoded_len(), repair)?;
        Ok(answer)
    }

    pub async fn plan(
        &self,
        mut request: pb::PlanEvaluationRequest,
    ) -> Result<pb::PlanEvaluationResponse> {
        let source = request.graph.take().try_into()?;
        let mentions = || request::mentions_of_plan(&request);
        let at = self.resolve(source, mentions).await?;
        let wanted = decode_plan(request, at.named(), &self.config)?;
        let compiling = self.cache.compile(&at.graph, wanted.request, &wanted.paths);
        let (compiled, found) = compiling.await?;
        let program = &compiled.program;
        note_plans(program.plans(), found);

        let estimate = program.estimate(wanted.batch);
        Ok(pb::PlanEvaluationResponse {
            graph_id: at.graph.text.to_string(),
            plans: program.plans().iter().map(encode::plan).collect(),
            operations: estimate.operations,
            bytes: estimate.bytes,
            predicted: Some(encode::duration(estimate.predicted)),
            cache: encode::found(found).into(),
        })
    }
}

fn note_plans(plans: &[Plan], found: Found) {
    note("products", plans.len());
    note("cache", tracing::field::debug(found));
    if let Some(mode) = plans.iter().find_map(|plan| plan.mode) {
        note("mode", tracing::field::debug(mode));
    }
}
