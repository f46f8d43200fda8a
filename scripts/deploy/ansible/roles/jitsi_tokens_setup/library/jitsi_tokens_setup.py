#!/usr/bin/python
"""Runs `jitsi-tokens-setup install` as Ansible understands it: check mode, diff mode, changed or not."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: jitsi_tokens_setup
short_description: Turns on token authentication for Jitsi Meet and proves it
description:
  - Runs C(jitsi-tokens-setup install) and reads its JSON report.
  - In check mode it runs C(install --dry-run), in diff mode it shows the differences of files, secrets masked.
  - C(changed) is true when a step did something, or would.
options:
  path:
    description: The program on the host.
    type: path
    default: jitsi-tokens-setup
  domain:
    description: The site's domain [default: detected].
    type: str
    default: ""
  app_id:
    description: The application id; empty keeps the one in use, or makes one.
    type: str
    default: ""
  app_secret:
    description: The application secret, given to the program through its standard input.
    type: str
    default: ""
  options:
    description: More options of C(install), without secrets.
    type: list
    elements: str
    default: []
  lock_timeout:
    description: How long to wait for other package managers.
    type: str
    default: 5m
author:
  - the authors of jitsi-tokens-setup
"""

EXAMPLES = r"""
- name: Turn token authentication on
  jitsi_tokens_setup:
    app_id: my_app
    app_secret: "{{ vault_jitsi_app_secret }}"
"""

RETURN = r"""
steps:
  description: What became of each step, by name.
  returned: when there is a report
  type: dict
proof:
  description: How much the logins proved - full, partial or refused.
  returned: when logins were made
  type: str
exit_code:
  description: The program's exit code.
  returned: always
  type: int
"""

import json

from ansible.module_utils.basic import AnsibleModule


def command(module):
    given = module.params
    words = [given["path"], "install", "--json", "--lock-timeout", given["lock_timeout"]]
    words.append("--dry-run" if module.check_mode else "--yes")
    for option, value in (("--domain", given["domain"]), ("--app-id", given["app_id"])):
        if value:
            words += [option, value]
    if given["app_secret"]:
        words += ["--app-secret-file", "-"]
    return words + given["options"]


def read(module, code, out, err):
    try:
        report = json.loads(out)
        if isinstance(report, dict):
            return report
    except ValueError:
        pass
    module.fail_json(msg="no report from %s: %s" % (module.params["path"], (err or out).strip()), exit_code=code)


def changes(report, states):
    for step in report.get("steps", []):
        if step["state"] in states:
            for change in step.get("changes", []):
                yield step, change


def differences(report):
    shown = []
    for step, change in changes(report, ("pending", "done", "failed")):
        text = change.get("diff") or "%s: %s" % (change["kind"], change["what"])
        shown.append({"prepared": "# %s: %s\n%s" % (step["id"], step["why"], text.rstrip("\n") + "\n")})
    return shown


def complaint(report):
    if "error" in report:
        return report["error"]
    for step in report.get("steps", []):
        if step["state"] in ("blocked", "failed", "refused"):
            words = [step["id"] + ": " + step["why"], step.get("fix") or ""]
            return " - ".join(word for word in words if word)
    proof = report.get("proof") or {}
    return proof.get("why") or "exit code %s" % report.get("exit_code")


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "jitsi-tokens-setup"},
            "domain": {"type": "str", "default": ""},
            "app_id": {"type": "str", "default": ""},
            "app_secret": {"type": "str", "default": "", "no_log": True},
            "options": {"type": "list", "elements": "str", "default": []},
            "lock_timeout": {"type": "str", "default": "5m"},
        },
        supports_check_mode=True,
    )
    secret = module.params["app_secret"]
    code, out, err = module.run_command(command(module), data=secret or None, binary_data=True)
    report = read(module, code, out, err)
    steps = report.get("steps", [])
    if module.check_mode:
        changed = bool(report.get("pending"))
    else:
        changed = any(step["state"] == "done" for step in steps) or any(changes(report, ("failed",)))
    result = {
        "changed": changed,
        "exit_code": code,
        "steps": {step["id"]: step["state"] for step in steps},
        "warnings": report.get("warnings", []),
    }
    if report.get("proof"):
        result["proof"] = report["proof"]["verdict"]
    if module._diff and changed:
        result["diff"] = differences(report)
    if code != 0:
        module.fail_json(msg=complaint(report), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
