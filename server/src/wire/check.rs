//! A check of derivatives, both ways.

use super::{
    names::{Mentions, Signature},
    product::Named,
    request::{decode_inputs, decode_options},
    tensor::Payload,
};
use crate::{
    config::Config,
    error::{Error, Result},
    store::TensorStore,
};
use gradient_engine::{Certificate, CheckRequest, Curve, CustomRule, Method, Verdict};
use gradient_proto::v1 as pb;

/// Steps of one check.
const STEPS: u64 = 64;

/// What is to be checked, and where.
pub struct Check {
    /// As the engine takes it.
    pub request: CheckRequest,
    /// The point.
    pub inputs: Vec<Payload>,
    /// The most memory that it may take: name of the limit, and its value.
    pub memory: (&'static str, u64),
}

/// The names in a check.
pub fn mentions(request: &pb::CheckDerivativesRequest) -> Mentions<'_> {
    Mentions {
        point: Some(request.inputs.keys().map(String::as_str).collect()),
        inputs: request.wrt.iter().map(String::as_str).collect(),
        outputs: request.outputs.iter().map(String::as_str).collect(),
    }
}

/// Reads a check.
pub fn decode(
    request: pb::CheckDerivativesRequest,
    at: Named<'_>,
    config: &Config,
    resident: &TensorStore,
) -> Result<Check> {
    let (options, memory) = decode_options(request.options, config)?;
    if options.method != Method::Exact {
        let message =
            "the exact derivatives are checked against the other methods; leave the method out";
        return Err(Error::invalid("options.method", message));
    }
    let asked = request.steps.len() as u64;
    if asked > STEPS {
        return Err(Error::Limit {
            name: "max_check_steps",
            value: STEPS,
            asked,
            path: "steps".to_owned(),
            repair: "try fewer steps".to_owned(),
        });
    }
    for (i, step) in request.steps.iter().enumerate() {
        if !(step.is_finite() && *step > 0.0) {
            let message = format!("{step} is no step: give a positive number");
            return Err(Error::invalid(format_args!("steps[{i}]"), message));
        }
    }
    let tolerance = request.tolerance;
    if !(tolerance.is_finite() && tolerance >= 0.0) {
        let message =
            format!("{tolerance} is no tolerance: give a positive number, or 0 to have it chosen");
        return Err(Error::invalid("tolerance", message));
    }
    let (inputs, _) = decode_inputs(request.inputs, None, at, resident)?;
    let request = CheckRequest {
        outputs: at.outputs(&request.outputs, &"outputs", |ty| ty.dtype.is_float())?,
        wrt: at.wrt(&request.wrt, &"wrt")?,
        steps: request.steps,
        // -0 is 0.
        tolerance: tolerance.abs(),
        options,
    };
    Ok(Check {
        request,
        inputs,
        memory,
    })
}

/// The answer, named by a signature.
pub fn encode(
    certificate: Certificate,
    graph_id: String,
    names: &Signature,
) -> pb::CheckDerivativesResponse {
    let verdicts = certificate.verdicts.into_iter();
    pb::CheckDerivativesResponse {
        graph_id,
        passed: certificate.passed,
        verdicts: verdicts.map(|v| verdict(v, names)).collect(),
        dot_product_error: certificate.dot_product_error,
        hessian_asymmetry: certificate.hessian_asymmetry,
        reason: certificate.reason,
        custom_rules: certificate
            .custom_rules
            .into_iter()
            .map(custom_rule)
            .collect(),
    }
}

fn custom_rule(rule: CustomRule) -> pb::CustomRuleVerdict {
    pb::CustomRuleVerdict {
        function: rule.function,
        error: rule.error,
        passed: rule.passed,
        reason: rule.reason,
    }
}

fn verdict(verdict: Verdict, names: &Signature) -> pb::DerivativeVerdict {
    let step = |c: Curve| pb::StepError {
        step: c.step,
        error: c.error,
    };
    pb::DerivativeVerdict {
        output: names.output(verdict.output).to_owned(),
        wrt: names.input(verdict.wrt).to_owned(),
        passed: verdict.passed,
        curve: verdict.curve.into_iter().map(step).collect(),
        best: Some(step(verdict.best)),
        complex_step_error: verdict.complex_step_error,
        reason: verdict.reason,
    }
}
