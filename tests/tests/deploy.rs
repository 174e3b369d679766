//! What `deploy/` says is true of this binary: its files parse, and name flags, variables, ports and paths that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use patchgate_tests::client::Connection;
use patchgate_tests::gateway::{self, Gateway};
use serde_json::Value;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

fn read(path: &str) -> String {
    fs::read_to_string(deploy().join(path)).expect(path)
}

fn documents(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn one(path: &str, kind: &str) -> Value {
    let found = documents(path).into_iter().find(|document| document["kind"] == kind);
    found.unwrap_or_else(|| panic!("{path} has no {kind}"))
}

fn words(value: &Value) -> Vec<String> {
    let list = value.as_array().expect("a list");
    list.iter().map(|word| word.as_str().expect("a string").to_owned()).collect()
}

/// Whether the binary takes these arguments: with `--help` behind them it does nothing else.
fn takes(args: &[String]) {
    let args: Vec<&str> = args.iter().map(String::as_str).chain(["--help"]).collect();
    let output = gateway::run(&args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn accepted(config: &Path, variables: &[(String, String)]) {
    let mut command = gateway::command(&["config", "check", "--config", config.to_str().expect("a path")]);
    let output = command.envs(variables.iter().cloned()).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_manifest_parses_and_is_used() {
    let mut manifests = BTreeSet::new();
    for entry in fs::read_dir(deploy().join("kubernetes")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            let found = documents(&format!("kubernetes/{name}"));
            assert!(found.iter().all(|document| document["kind"].is_string()), "{name}");
            manifests.insert(name);
        }
    }
    let kustomization = one("kubernetes/kustomization.yaml", "Kustomization");
    let used: BTreeSet<String> = words(&kustomization["resources"]).into_iter().collect();
    manifests.remove("kustomization.yaml");
    assert_eq!(used, manifests);
    for other in ["compose.yaml", "otel/collector.yaml"] {
        assert_eq!(documents(other).len(), 1, "{other}");
    }
}

#[test]
fn the_pods_run_what_there_is() {
    let set = one("kubernetes/stateful-set.yaml", "StatefulSet");
    let pod = &set["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    takes(&words(&container["args"]));
    accepted(&deploy().join("kubernetes/patchgate.toml"), &[]);

    // The ports are those of the configuration, and the probes ask what is answered.
    let config: toml::Table = read("kubernetes/patchgate.toml").parse().expect("TOML");
    let port = |name: &str| {
        let ports = container["ports"].as_array().expect("ports").iter();
        let named = ports.clone().find(|port| port["name"] == name);
        named.expect(name)["containerPort"].as_u64().expect("a number")
    };
    for (table, name) in [("listen", "http"), ("admin", "admin")] {
        let address = config[table]["address"].as_str().expect("an address");
        assert_eq!(address, format!("0.0.0.0:{}", port(name)));
    }
    let gateway = Gateway::start(&[]);
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let get = &container[probe]["httpGet"];
        assert_eq!(get["port"], "admin");
        let path = get["path"].as_str().expect("a path");
        assert_eq!(Connection::open(gateway.admin).request("GET", path, &[], None).status, 200, "{path}");
    }

    // The configuration is mounted as a folder, under one name for ever: else it would never be read again.
    let mount = &container["volumeMounts"][0];
    assert!(mount["subPath"].is_null());
    let folder = mount["mountPath"].as_str().expect("a path");
    assert!(words(&container["args"]).contains(&format!("{folder}/patchgate.toml")));
    let kustomization = one("kubernetes/kustomization.yaml", "Kustomization");
    assert_eq!(kustomization["generatorOptions"]["disableNameSuffixHash"], true);
    assert_eq!(kustomization["configMapGenerator"][0]["name"], pod["volumes"][0]["configMap"]["name"]);

    // The audit record is on a volume that stays when the pod goes.
    let directory = config["audit"]["directory"].as_str().expect("a path");
    let mounts = container["volumeMounts"].as_array().expect("mounts").iter();
    let audit = mounts.clone().find(|mount| mount["name"] == "audit").expect("a mount for it");
    assert!(directory.starts_with(audit["mountPath"].as_str().expect("a path")));
    assert_eq!(set["spec"]["volumeClaimTemplates"][0]["metadata"]["name"], "audit");

    // The end of a pod is later than that of the drain.
    let drain =
        config["timeouts"]["drain"].as_str().and_then(|text| text.strip_suffix('s')).expect("seconds");
    let grace = pod["terminationGracePeriodSeconds"].as_u64().expect("seconds");
    assert!(grace > drain.parse().expect("a number"), "{grace}");
    assert_eq!(one("kubernetes/service.yaml", "Service")["spec"]["ports"][0]["targetPort"], "http");
}

#[test]
fn the_tools_reach_what_leads_to_the_gateway_and_nothing_else() {
    let policy = one("kubernetes/tools-network-policy.yaml", "NetworkPolicy");
    let egress = policy["spec"]["egress"].as_array().expect("rules");
    assert!(egress.iter().all(|rule| rule["to"].is_array()), "a rule without `to` is one to everywhere");
    let addresses = egress.iter().flat_map(|rule| rule["to"].as_array().expect("peers"));
    assert!(addresses.clone().all(|peer| peer["ipBlock"].is_null()), "{egress:?}");
    // Names, what ends TLS in front of the gateway, the way to the sign-in: pods that are named, at ports that are.
    let named = |peer: &Value| {
        let labels = |of: &str| peer[of]["matchLabels"].as_object().is_some_and(|labels| !labels.is_empty());
        labels("namespaceSelector") && labels("podSelector")
    };
    assert!(addresses.clone().all(named), "{egress:?}");
    let ports: Vec<u64> = egress.iter().filter_map(|rule| rule["ports"][0]["port"].as_u64()).collect();
    assert_eq!(ports, [53, 443, 3128], "{egress:?}");
}

#[test]
fn compose_starts_what_there_is() {
    let compose = documents("compose.yaml").remove(0);
    let service = &compose["services"]["patchgate"];
    takes(&words(&service["command"]));
    let variables = service["environment"].as_object().expect("variables").iter();
    let variables: Vec<(String, String)> =
        variables.map(|(name, value)| (name.clone(), value.as_str().expect("a string").to_owned())).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty.toml");
    fs::write(&empty, "").expect("a file");
    accepted(&empty, &variables);
    let of = |name: &str| {
        variables
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .expect("a variable")
    };
    let published = words(&service["ports"]);
    for name in ["PATCHGATE_LISTEN__ADDRESS", "PATCHGATE_ADMIN__ADDRESS"] {
        let port = of(name).rsplit(':').next().expect("a port");
        assert!(published.contains(&format!("127.0.0.1:{port}:{port}")), "{published:?}");
    }
    // The collector takes what is sent.
    let endpoint = of("PATCHGATE_TELEMETRY__OTLP__ENDPOINT");
    let collector = documents("otel/collector.yaml").remove(0);
    let address =
        collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"].as_str().expect("an address");
    assert_eq!(endpoint.rsplit(':').next(), address.rsplit(':').next());
    for signal in ["traces", "metrics"] {
        assert_eq!(words(&collector["service"]["pipelines"][signal]["receivers"]), ["otlp"]);
    }
}

#[test]
fn the_unit_and_the_image_run_what_there_is() {
    let unit = read("patchgate.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("ExecStart");
    let args: Vec<String> = line.split(' ').skip(1).map(str::to_owned).collect();
    takes(&args);
    assert!(unit.lines().any(|line| line == "Type=notify"));
    let image = read("Containerfile");
    let args = image.lines().find_map(|line| line.strip_prefix("CMD ")).expect("CMD");
    takes(&serde_json::from_str::<Vec<String>>(args).expect("JSON"));
    let user = image.lines().find_map(|line| line.strip_prefix("USER ")).expect("USER");
    assert!(!user.starts_with('0') && !user.starts_with("root"), "{user}");
}
