//! Edits that pass and edits that are refused, through the real gateway.

use patchgate_tests::gateway::Gateway;

#[test]
fn the_example_of_the_page_passes() {
    let gateway = Gateway::start(&[]);
    let body = r#"{"classification":"TruePositive","determination":"MultiStagedAttack","customTags":["Demo"]}"#;
    let answer = gateway.patch("/beta/security/incidents/2972395", body);
    assert_eq!(answer.status, 200);
    let incident = answer.json();
    assert_eq!(incident["id"], "2972395");
    assert_eq!(incident["classification"], "truePositive");
    assert_eq!(incident["determination"], "multiStagedAttack");
    assert_eq!(incident["customTags"][0], "Demo");
}
