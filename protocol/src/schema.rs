//! JSON Schemas (2020-12, as in OpenAPI 3.1) of everything on the wire.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::*;

macro_rules! describe {
    ($generator:ident: $($type:ty),+ $(,)?) => {
        $($generator.subschema_for::<$type>();)+
    };
}

/// Returns the schemas by name, for `components.schemas` of an OpenAPI document: every type of a request or an answer
/// under its own name, and the error body of every [`ErrorCode`] under [`error_name`].
pub fn components() -> Map<String, Value> {
    let mut components = errors();
    components.extend(requests());
    components.extend(responses());
    components
}

/// Returns the name of the schema of errors with this code: the code in camel case, as in `LogMoved`.
pub fn error_name(code: &str) -> String {
    let capitalised = |word: &str| word[..1].to_uppercase() + &word[1..];
    code.split('_').filter(|word| !word.is_empty()).map(capitalised).collect()
}

fn requests() -> Map<String, Value> {
    let mut generator = generator(SchemaSettings::draft2020_12().for_deserialize());
    describe!(generator: SignInRequest, RefreshRequest, ChangePasswordRequest, BeginSessionRequest);
    describe!(generator: AccountTokenRequest, AccountPasswordRequest, DeleteAccountRequest, TwoFactorCodeRequest);
    describe!(generator: TokenRequest, RevokeRequest);
    describe!(generator: RegisterDeviceRequest, PushRequest<'_>, PullRequest);
    describe!(generator: PutKeyRequest, BeginRotationRequest, RotationEntriesRequest, RotationBatchRequest<'_>);
    describe!(generator: CompleteRotationRequest, RotationBlobsRequest, RotationBlobsBatchRequest);
    describe!(generator: BlobUploadRequest, BlobConfirmRequest, BlobDownloadRequest);
    generator.take_definitions(true)
}

fn responses() -> Map<String, Value> {
    let mut generator = response_generator();
    describe!(generator: TokenPair, AccountTokenResponse, AccountResponse, TwoFactorSetupResponse);
    describe!(generator: RecoveryCodesResponse, UserSession, UserDevice);
    describe!(generator: TokenResponse, OAuthError, UserInfoResponse);
    describe!(generator: Device, PushResponse, PullResponse<'_>, StatusResponse, HealthResponse, Limits);
    describe!(generator: PutKeyResponse, GetKeyResponse, RotationResponse, RotationStateResponse);
    describe!(generator: RotationEntriesResponse<'_>, RotationBatchResponse, RotationBlobsResponse);
    describe!(generator: BlobUploadResponse, BlobConfirmResponse, BlobDownloadResponse, BlobListResponse);
    generator.take_definitions(true)
}

/// [`ErrorBody`], once for each code with the details that belong to it.
fn errors() -> Map<String, Value> {
    let mut generator = response_generator();
    let codes = ErrorCode::json_schema(&mut generator);
    describe!(generator: ErrorBody);
    let mut components = generator.take_definitions(true);
    components.shift_remove("ErrorCode");
    let body = components.shift_remove("ErrorBody").unwrap_or_default();
    for variant in codes.as_value()["oneOf"].as_array().into_iter().flatten() {
        let code = variant["const"].as_str().unwrap_or_default();
        let (required, optional) = details(code);
        let of_body = |field: &&str| ((*field).to_owned(), body["properties"][field].clone());
        let mut properties: Map<String, Value> =
            ["error", "code"].iter().chain(required).chain(optional).map(of_body).collect();
        properties["code"] = json!({"type": "string", "enum": [code], "description": "Never changes."});
        let schema = json!({
            "type": "object",
            "description": variant["description"],
            "required": ([&["error", "code"], required].concat()),
            "properties": properties,
        });
        components.insert(error_name(code), schema);
    }
    components
}

/// Fields of an error body besides `error` and `code`: those that are always present with this code, and those that
/// may be.
fn details(code: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match code {
        "invalid_field" | "too_many_changes" => (&["field"], &[]),
        "invalid_change" => (&["changes"], &[]),
        "log_rewound" => (&["resume_from"], &[]),
        "batch_id_reused" => (&["cursor"], &[]),
        "key_version_conflict" => (&["key_version"], &["revision"]),
        "rotation_incomplete" => (&["remaining"], &[]),
        _ => (&[], &[]),
    }
}

fn response_generator() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    generator(settings.with_transform(RecursiveTransform(absent_instead_of_null)))
}

fn generator(settings: SchemaSettings) -> SchemaGenerator {
    settings
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .with_transform(RecursiveTransform(simplify))
        .into_generator()
}

/// Drops defaults of `null`, and replaces the formats of unsigned integers, which few client generators support.
/// Everything on the wire fits into 63 bits.
fn simplify(schema: &mut Schema) {
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    let format = schema.get("format").and_then(Value::as_str);
    if format == Some("uint32") {
        let object = schema.ensure_object();
        object.entry("maximum").or_insert(u32::MAX.into());
    } else if !matches!(format, Some("uint" | "uint64")) {
        return;
    }
    schema.insert("format".into(), "int64".into());
}

/// Removes `null` from fields that answers omit instead, and defaults, which matter only to clients of older servers.
fn absent_instead_of_null(schema: &mut Schema) {
    let required = schema.get("required").cloned().unwrap_or_default();
    let is_required = |name: &str| required.as_array().is_some_and(|names| names.iter().any(|it| it == name));
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (name, property) in properties.into_iter().flatten() {
        let Some(property) = property.as_object_mut() else { continue };
        property.shift_remove("default");
        if is_required(name) {
            continue;
        }
        if let Some(Value::Array(types)) = property.get_mut("type") {
            types.retain(|one| one != "null");
            if let [one] = &types[..] {
                property["type"] = one.clone();
            }
        }
        if let Some(Value::Array(choices)) = property.get_mut("anyOf") {
            choices.retain(|choice| choice["type"] != "null");
            if let [Value::Object(only)] = &mut choices[..] {
                let mut only = std::mem::take(only);
                property.shift_remove("anyOf");
                only.append(property);
                *property = only;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_one_schema_in_requests_answers_and_errors() {
        let (requests, responses, errors) = (requests(), responses(), errors());
        for (name, schema) in requests.iter().chain(&errors) {
            assert!(responses.get(name).is_none_or(|other| other == schema), "{name}");
        }
    }

    #[test]
    fn limits_are_in_the_schemas() {
        let components = components();
        let change = &components["Change"]["properties"];
        assert_eq!(change["table"]["maxLength"], limits::MAX_TABLE_CHARS);
        assert_eq!(change["row_id"]["maxLength"], limits::MAX_ROW_ID_CHARS);
        assert_eq!(
            components["PushRequest"]["properties"]["changes"]["maxItems"],
            limits::MAX_CHANGES_PER_PUSH
        );
    }

    #[test]
    fn every_error_code_has_a_schema_with_its_details() {
        let errors = errors();
        assert_eq!(errors["LogMoved"]["required"], json!(["error", "code"]));
        assert_eq!(errors["LogRewound"]["required"], json!(["error", "code", "resume_from"]));
        assert_eq!(errors["NoBlobs"]["properties"]["code"]["enum"], json!(["no_blobs"]));
        assert!(errors["KeyVersionConflict"]["properties"].get("revision").is_some());
    }

    #[test]
    fn an_optional_field_may_be_null_in_requests_and_is_absent_from_answers() {
        let components = components();
        assert_eq!(components["Change"]["properties"]["key_version"]["type"], json!(["integer", "null"]));
        assert_eq!(components["Blob"]["properties"]["key_version"]["type"], "integer");
        assert_eq!(components["Entry"]["properties"]["data"]["type"], json!(["string", "null"]));
    }
}
