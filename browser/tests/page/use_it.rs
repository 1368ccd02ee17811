//! What people do with it: paste, drop, choose, read, jump; with the mouse and with keys alone.

use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::WEB;
use crate::driver::{Page, browse};

/// Presses a key, with Ctrl where told.
async fn press(page: &Page, key: char, ctrl: bool) {
    let mut keys = KeyActions::new("keys".to_owned());
    let control = char::from(Key::Control);
    if ctrl {
        keys = keys.then(KeyAction::Down { value: control });
    }
    keys = keys
        .then(KeyAction::Down { value: key })
        .then(KeyAction::Up { value: key });
    if ctrl {
        keys = keys.then(KeyAction::Up { value: control });
    }
    page.client.perform_actions(keys).await.unwrap();
}

/// What has the focus: its id, or its text.
async fn focus(page: &Page) -> String {
    let script = "document.activeElement.id || document.activeElement.textContent";
    page.ask(script).await.as_str().unwrap().to_owned()
}

#[test]
fn a_manifest_that_is_pasted_is_shown_beside_what_comes_out() {
    browse("", |page| async move {
        // Real cut and paste: what is typed goes through the clipboard.
        page.fill(WEB).await;
        press(&page, 'a', true).await;
        press(&page, 'x', true).await;
        assert_eq!(
            page.ask("document.getElementById('manifest').value").await,
            ""
        );
        press(&page, 'v', true).await;
        page.click("#run").await;
        let outcome = page.outcome().await;
        assert!(
            outcome.starts_with("2 objects: 1 injected, 1 of other kinds; 1 warning; "),
            "{outcome}"
        );
        assert_eq!(page.text(".object h3").await, "Deployment shop/web");
        assert_eq!(page.text(".object .badge").await, "injected");

        // Added lines have a sign, a colour and their number; the others stand on both sides.
        let rows = "[...document.querySelectorAll('.diff tbody tr')]";
        let added = page.ask(&format!("{rows}.filter((row) => row.querySelector('.text.added')?.textContent.trim() === 'preStop:').map((row) => [row.children[4].textContent, getComputedStyle(row.children[5]).backgroundColor !== getComputedStyle(row.children[2]).backgroundColor])")).await;
        assert_eq!(added, json!([["+", true]]));
        let same = page.ask(&format!("{rows}.filter((row) => row.className === 'same').every((row) => row.children[2].textContent === row.children[5].textContent)")).await;
        assert_eq!(same, true);
        let taken = page
            .ask("[...document.querySelectorAll('.diff .removed')].length")
            .await;
        assert_eq!(taken, 0);

        // The stop, drawn and in words.
        let drawn = page
            .ask("document.querySelector('svg.stop').getAttribute('aria-label')")
            .await;
        assert_eq!(
            drawn,
            "The stop of Deployment shop/web: drain at 0 s, SIGTERM at 15 s, SIGKILL at 50 s"
        );
        let phases = page.text(".phases").await;
        assert!(
            phases.contains("fewer and fewer new requests come"),
            "{phases}"
        );

        // The decisions.
        page.click(".object summary").await;
        let steps = page.text("dl.steps").await;
        assert!(steps.contains("native sleep of 15 s"), "{steps}");

        // A warning leads to its line, and a finding to its own.
        page.click(".object .told .jump").await;
        assert_eq!(
            page.selected().await,
            "    silkroll.dev/rolout: surge   # a typo"
        );
        let findings = page.text("#findings").await;
        for what in ["SR201 error", "SR301 warning", "✓ Gone in the result."] {
            assert!(findings.contains(what), "{what}: {findings}");
        }
        let script = "[...document.querySelectorAll('#findings li')].find((one) => one.textContent.includes('SR301')).querySelector('.jump').click()";
        page.ask(script).await;
        assert_eq!(page.selected().await, "  replicas: 1");
        assert_eq!(page.complaints().await, Vec::<String>::new());
    });
}

#[test]
fn a_file_that_is_dropped_is_run_at_once() {
    browse("", |page| async move {
        let folder = tempfile::tempdir().unwrap();
        let files = ["a.yaml", "b.yaml"].map(|name| {
            let path = folder.path().join(name);
            std::fs::write(
                &path,
                WEB.replace("name: web\n", &format!("name: {}\n", &name[..1])),
            )
            .unwrap();
            path
        });
        let (x, y, width, height) = page.find("#manifest").await.rectangle().await.unwrap();
        for step in ["dragEnter", "dragOver", "drop"] {
            let data = json!({"items": [], "files": files, "dragOperationsMask": 1});
            let (x, y) = (x + width / 2.0, y + height / 2.0);
            page.cdp(
                "Input.dispatchDragEvent",
                json!({"type": step, "x": x, "y": y, "data": data}),
            )
            .await;
        }
        let outcome = page.outcome().await;
        assert!(
            outcome.starts_with("4 objects: 2 injected, 2 of other kinds"),
            "{outcome}"
        );
        assert_eq!(
            page.ask("document.querySelectorAll('.object').length")
                .await,
            2
        );
        assert_eq!(
            page.ask("document.querySelector('.source').className")
                .await,
            "source"
        );
        // Beside the field nothing happens: the browser would show the file in the place of the page.
        let data = json!({"items": [], "files": [files[0]], "dragOperationsMask": 1});
        for step in ["dragEnter", "dragOver", "drop"] {
            page.cdp(
                "Input.dispatchDragEvent",
                json!({"type": step, "x": 700, "y": 20, "data": data}),
            )
            .await;
        }
        assert_eq!(page.client.title().await.unwrap(), "Silkroll: dry run");
    });
}

#[test]
fn the_annotations_of_the_namespace_are_chosen_from_the_table_that_checks_them() {
    browse(WEB, |page| async move {
        assert!(page.outcome().await.contains("1 injected"));
        // One that switches all of it off.
        let value = page.find("#annotations input").await;
        value.clear().await.unwrap();
        value.send_keys("disabled").await.unwrap();
        page.click("#run").await;
        page.until("document.getElementById('outcome').textContent.includes('1 skipped')")
            .await;
        assert!(
            page.text(".object .meaning")
                .await
                .starts_with("namespace-disabled")
        );

        value.clear().await.unwrap();
        value.send_keys("enabled").await.unwrap();
        for (name, said) in [
            ("deregister", "nacos"),
            ("nacos-server", "http://nacos:8848"),
            ("drain-seconds", "x"),
        ] {
            page.click("#add").await;
            let last = "#annotations li:last-child";
            let key = page.find(&format!("{last} select")).await;
            key.select_by_value(name).await.unwrap();
            page.find(&format!("{last} input"))
                .await
                .send_keys(said)
                .await
                .unwrap();
        }
        let offered = page.ask("[...document.querySelectorAll('#annotations li')[1].querySelectorAll('datalist option')].map((one) => one.value).join()").await;
        assert_eq!(
            offered,
            "none,nacos,eureka,consul,dubbo,spring,http,nginx,signal"
        );
        page.click("#run").await;
        page.until("document.getElementById('objects').textContent.includes('cannot be used: allowed is a whole number of seconds')").await;

        page.click("#annotations li:last-child button").await;
        page.click("#run").await;
        page.until("document.getElementById('outcome').textContent.includes('1 injected')")
            .await;
        let drawn = page
            .ask("document.querySelector('svg.stop').getAttribute('aria-label')")
            .await;
        assert_eq!(
            drawn,
            "The stop of Deployment shop/web: deregister at 0 s, drain at 10 s, SIGTERM at 50 s, SIGKILL at 85 s"
        );
        assert_eq!(page.complaints().await, Vec::<String>::new());
    });
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    browse("", |page| async move {
        page.fill("apiVersion: v1\nkind: Service\n---\nkind: [a\nmetadata: {}\n")
            .await;
        press(&page, char::from(Key::Enter), true).await;
        let outcome = page.outcome().await;
        assert!(outcome.contains("1 document cannot be used"), "{outcome}");
        let error = page.text("#errors li").await;
        assert!(error.contains("document 2, line"), "{error}");
        page.click("#errors .jump").await;
        let selected = page.selected().await;
        assert!(
            ["kind: [a", "metadata: {}"].contains(&&*selected),
            "{selected}"
        );

        page.fill("{{- if .Values.web }}\nkind: Service\n{{- end }}\n")
            .await;
        page.click("#run").await;
        page.until("document.getElementById('errors').textContent.includes('It looks like a template: build first: helm template NAME CHART')")
            .await;

        for nothing in ["", " \n"] {
            page.fill(nothing).await;
            page.click("#run").await;
            page.until("document.getElementById('outcome').textContent === 'There is nothing to run yet: paste a manifest, or open a file.'")
                .await;
            assert_eq!(
                page.ask("document.getElementById('errors').textContent")
                    .await,
                ""
            );
        }
        // Chromium itself notes the status.
        let others = page.complaints().await;
        assert!(
            others
                .iter()
                .all(|line| line.contains("the server responded with a status of 400")),
            "{others:?}"
        );
    });
}

#[test]
fn a_result_of_another_text_is_marked_as_such() {
    browse(WEB, |page| async move {
        page.outcome().await;
        let stale = "document.getElementById('stale').hidden";
        assert_eq!(page.ask(stale).await, true);
        page.find("#manifest").await.send_keys("# x").await.unwrap();
        assert_eq!(page.ask(stale).await, false);
        assert!(page.text("#stale").await.starts_with("Edited since: "));
        // Lines are those of the text that was run: they lead nowhere in another one.
        let at = "document.getElementById('manifest').selectionEnd - document.getElementById('manifest').selectionStart";
        page.click(".object .told .jump").await;
        assert_eq!(page.ask(at).await, 0);
        // What was undone is no edit.
        page.fill(WEB).await;
        assert_eq!(page.ask(stale).await, true);
        page.click(".object .told .jump").await;
        assert!(page.selected().await.contains("rolout"));

        // The namespace is asked about, too.
        for edit in ["#add", "#annotations li:last-child button"] {
            page.click(edit).await;
            assert_eq!(page.ask(stale).await, edit != "#add", "{edit}");
        }
        page.click("#add").await;
        page.click("#run").await;
        page.until("document.getElementById('outcome').className === ''")
            .await;
        assert_eq!(page.ask(stale).await, true);
    });
}

#[test]
fn findings_come_the_worst_first_and_are_explained_in_place() {
    browse(WEB, |page| async move {
        page.outcome().await;
        let severities = page
            .ask("[...document.querySelectorAll('#findings li strong')].map((one) => one.className).join()")
            .await;
        let severities = severities.as_str().unwrap();
        let rank = |name: &str| {
            ["error", "warning", "info"]
                .iter()
                .position(|one| *one == name)
        };
        let ranks: Vec<_> = severities.split(',').map(rank).collect();
        assert!(ranks.is_sorted() && ranks.len() > 2, "{severities}");

        let findings = page
            .ask("document.getElementById('findings').textContent")
            .await;
        let findings = findings.as_str().unwrap();
        assert!(!findings.contains('`'), "{findings}");
        let code = page
            .ask("document.querySelectorAll('#findings code').length")
            .await;
        assert!(code.as_u64() > Some(0));

        page.click("#findings li summary").await;
        page.until("document.querySelector('#findings .page pre') !== null")
            .await;
        let explained = page.text("#findings .page").await;
        for says in ["What to do:", "Reported:", "kind: Deployment", "Source:"] {
            assert!(explained.contains(says), "{says}: {explained}");
        }
        assert!(
            !explained.contains('`') && !explained.contains("]("),
            "{explained}"
        );
        let links = page
            .ask("[...document.querySelectorAll('#findings .page a')].every((one) => one.href.startsWith('https://') && one.rel === 'noreferrer')")
            .await;
        assert_eq!(links, true);
        assert_eq!(page.complaints().await, Vec::<String>::new());
    });
}

#[test]
fn a_kind_that_is_not_injected_says_with_what_it_would_be() {
    let set = WEB.replace("kind: Deployment", "kind: StatefulSet");
    browse(&set, |page| async move {
        assert!(page.outcome().await.contains("1 skipped"));
        let told = page.text(".object .told").await;
        assert!(
            told.contains("start it with --workloads deployment,statefulset"),
            "{told}"
        );
    });
}

#[test]
fn keys_alone_do_all_of_it() {
    browse("", |page| async move {
        let tab = char::from(Key::Tab);
        press(&page, tab, false).await;
        assert_eq!(focus(&page).await, "To the result");
        press(&page, tab, false).await;
        assert_eq!(focus(&page).await, "manifest");
        page.insert(WEB).await;
        press(&page, char::from(Key::Enter), true).await;
        assert!(page.outcome().await.contains("1 injected"));
        assert_eq!(focus(&page).await, "manifest", "the focus stays");
        press(&page, tab, false).await;
        assert_eq!(focus(&page).await, "run");
        press(&page, char::from(Key::Enter), false).await;
        page.until("document.getElementById('outcome').className === ''")
            .await;
        // On through the rest of the form.
        let mut seen = Vec::new();
        while focus(&page).await != "add" {
            press(&page, tab, false).await;
            let here = focus(&page).await;
            let outline = page.ask("getComputedStyle(document.activeElement).outlineStyle !== 'none' || document.activeElement.id === 'file'").await;
            assert_eq!(outline, true, "the focus is seen at {here}");
            seen.push(here);
            assert!(seen.len() < 20, "{seen:?}");
        }
        for id in ["file", "mode", "namespace"] {
            assert!(seen.iter().any(|one| one == id), "{id}: {seen:?}");
        }
        // The next stops are in the result; the warning's place is among them and takes Enter.
        let mut steps = 0;
        while !focus(&page).await.starts_with("line 7") {
            press(&page, tab, false).await;
            steps += 1;
            assert!(steps < 20, "{}", focus(&page).await);
        }
        press(&page, char::from(Key::Enter), false).await;
        assert_eq!(focus(&page).await, "manifest");
        assert!(page.selected().await.contains("rolout"));
    });
}

#[test]
fn a_megabyte_neither_hangs_the_page_nor_fills_it() {
    browse("", |page| async move {
        // More objects than are shown at once, and a megabyte that is read and left alone.
        let mut many = String::new();
        for number in 0..60 {
            let name = format!("name: web-{number}\n");
            many.push_str(&WEB.replace("name: web\n", &name));
            many.push_str("---\n");
        }
        many.push_str("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  text: |\n");
        many.push_str(&"    a line that is of no interest to anybody at all\n".repeat(20_000));
        let one_line = format!(
            "{{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {{\"name\": \"{}\"}}}}",
            "x".repeat(1_000_000)
        );
        let broken = format!(
            "{}  text: [\n",
            &many[many.find("apiVersion: v1\nkind: ConfigMap").unwrap()..]
        );
        for (what, manifest, says) in [
            ("many objects", many, "60 injected"),
            ("one line", one_line, "1 of other kinds"),
            ("no YAML", broken, "cannot be used"),
        ] {
            assert!(manifest.len() > 950_000, "{what}: {}", manifest.len());
            // A megabyte through the keyboard takes a minute; a script puts it in.
            let script = format!(
                "document.getElementById('manifest').value = {}",
                Value::from(manifest)
            );
            page.ask(&script).await;
            page.click("#run").await;
            page.until("document.getElementById('outcome').className === ''")
                .await;
            let outcome = page.text("#outcome").await;
            assert!(outcome.contains(says), "{what}: {outcome}");
            let begun = Instant::now();
            page.click("#outcome-title").await;
            page.ask("document.body.offsetHeight").await;
            assert!(
                begun.elapsed() < Duration::from_secs(5),
                "{what}: {:?}",
                begun.elapsed()
            );
            let elements = page
                .ask("document.querySelectorAll('*').length")
                .await
                .as_u64()
                .unwrap();
            assert!(elements < 20_000, "{what}: {elements}");
        }
        let complaints = page.complaints().await;
        assert_eq!(
            complaints.len(),
            1,
            "the last one was refused, which Chromium notes: {complaints:?}"
        );
    });
}

#[test]
fn what_is_not_shown_at_once_is_shown_on_demand() {
    browse("", |page| async move {
        let many: String = (0..60)
            .map(|number| WEB.replace("name: web\n", &format!("name: web-{number}\n")) + "---\n")
            .collect();
        page.fill(&many).await;
        page.click("#run").await;
        page.outcome().await;
        let number = "document.querySelectorAll('.object').length";
        assert_eq!(page.ask(number).await, 50);
        page.click("#objects > button").await;
        assert_eq!(page.ask(number).await, 60);
        assert_eq!(
            page.ask("document.querySelectorAll('#objects > button').length")
                .await,
            0
        );
        // In the result each line has its number there.
        let last = "document.querySelectorAll('#diff section')";
        let says = page.ask(&format!("{last}.length")).await;
        assert_eq!(says, 50);
    });
}
