#!/usr/bin/python
# Copyright: the authors of jitsi-tokens-setup
# MIT License (see LICENSE)
"""Runs `jitsi-tokens-setup` the way Ansible expects: with check mode, diff mode, and changed or not."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: token_auth
short_description: Token authentication for Jitsi Meet, proved with real logins
version_added: 0.2.0
description:
  - Runs C(jitsi-tokens-setup) on the host that runs Prosody, and reads its JSON report.
  - An option that is not set stays as it is on the host.
attributes:
  check_mode:
    support: full
    description: Runs the preview (C(--dry-run)), which changes nothing.
  diff_mode:
    support: full
    description: Shows the differences of files, with secrets masked.
  idempotent:
    support: partial
    description: Each run with O(state=rotated) makes a new secret.
  platform:
    support: full
    platforms: debian
    description: The machine that runs Prosody, with the program installed.
options:
  state:
    description:
      - V(present) turns token authentication on, and repairs it.
      - V(rotated) replaces the secret, and proves that the old one is rejected.
      - V(absent) undoes everything that V(present) changed.
    type: str
    choices: [present, rotated, absent]
    default: present
  path:
    description: The program on the host.
    type: path
    default: jitsi-tokens-setup
  domain:
    description: The site's domain, if it cannot be detected. Not used with O(state=absent).
    type: str
    default: ""
  app_id:
    description: The app ID. Empty keeps the one in use, or makes one.
    type: str
    default: ""
  app_secret:
    description: The app secret, which goes to the program through standard input. Empty keeps the one in use, or makes one.
    type: str
    default: ""
  issuer:
    description: Accept only these issuers; V(*) for any.
    type: list
    elements: str
  audience:
    description: Accept only these audiences; V(*) for any.
    type: list
    elements: str
  signature_algorithm:
    description: How tokens are signed.
    type: str
    choices: [HS256, HS384, HS512]
  domain_check:
    description: Whether a token must name this site.
    type: bool
  require_room:
    description: Whether a token must name a room.
    type: bool
  allow_empty_token:
    description: Whether people without a token get in too.
    type: bool
  moderators_need_token:
    description: Whether only people with a token may change a room's settings.
    type: bool
  guests:
    description: Whether people without a token may join a room that somebody with a token has opened.
    type: bool
  web_config:
    description: Whether to name the guests' host in the web page's configuration. V(false) removes it.
    type: bool
  moderators:
    description: Who moderates, those whose token says so or whoever comes first.
    type: str
    choices: [token, all]
  public_keys:
    description: Accept tokens that are signed with these RSA keys instead of the app secret. An empty list goes back to an app secret.
    type: list
    elements: dict
    suboptions:
      key:
        description: The public key, as PEM text.
        type: str
        required: true
      kid:
        description: The key ID. The key's thumbprint (RFC 7638) if not set; set it for all keys or for none.
        type: str
  jwks:
    description: Check tokens with the keys in the document at this URL instead of the app secret. V(off) undoes it.
    type: str
  key_server:
    description: Check tokens with the keys of the server at this URL instead of the app secret. V(off) undoes it.
    type: str
  kid:
    description: Key IDs that O(key_server) must have.
    type: list
    elements: str
  oidc:
    description: Log people in with the OpenID provider that has this issuer URL. V(off) undoes it.
    type: str
  client_id:
    description: The client ID of Jitsi's page at that provider. Required with an issuer URL in O(oidc).
    type: str
  login_url:
    description: The login page for people without a token. V(off) undoes it.
    type: str
  logout_url:
    description: The page for people who log out. V(off) undoes it.
    type: str
  options:
    description: More options of C(install). Never a secret, because they are visible in the process list.
    type: list
    elements: str
    default: []
  lock_timeout:
    description: How long to wait while apt or dpkg is locked.
    type: str
    default: 5m
author:
  - the authors of jitsi-tokens-setup (@jitsi-tokens-setup)
"""

EXAMPLES = r"""
- name: Turn token authentication on
  jitsi_tokens.setup.token_auth:
    app_id: my_app
    app_secret: "{{ vault_jitsi_app_secret }}"
    moderators: token

- name: Replace the secret that the host made itself
  jitsi_tokens.setup.token_auth:
    state: rotated

- name: Undo everything
  jitsi_tokens.setup.token_auth:
    state: absent
"""

RETURN = r"""
steps:
  description: What became of each step, by name.
  returned: when there is a report
  type: dict
  sample: {prosody-config: done}
proof:
  description: The verdict of the logins.
  returned: when logins were made
  type: str
  sample: full
exit_code:
  description: The program's exit code.
  returned: always
  type: int
  sample: 0
"""

import json
import os
import shlex

from ansible.module_utils.basic import AnsibleModule


# The version of the program's JSON that this module reads.
SCHEMA = 2

COMMANDS = {"present": ["install"], "rotated": ["credentials", "rotate"], "absent": ["uninstall"]}
# YAML reads a bare off or no as false, which Ansible makes the text "False".
OFF = ("false", "no", "off")
ENDED = ("jwks", "key_server", "oidc", "login_url", "logout_url")
TEXTS = ("signature_algorithm", "moderators", "jwks", "key_server", "oidc", "client_id", "login_url", "logout_url")
SWITCHES = ("domain_check", "require_room", "allow_empty_token", "moderators_need_token", "guests", "web_config")


def policy(given):
    """The options that control how tokens are judged; those that are not set are left out."""
    words = []
    for name in ("issuer", "audience", "kid"):
        for value in given[name] or []:
            words += ["--%s" % name, value]
    for name in TEXTS:
        value = given[name]
        if name in ENDED and value and value.lower() in OFF:
            value = "off"
        if value:
            words += ["--%s" % name.replace("_", "-"), value]
    for name in SWITCHES:
        if given[name] is not None:
            words.append("--%s=%s" % (name.replace("_", "-"), "on" if given[name] else "off"))
    return words


def public_keys(module):
    """The options for public keys; the keys go to files, which only root can read and Ansible removes."""
    keys = module.params["public_keys"]
    if keys is None:
        return []
    words = [] if keys else ["--public-key=off"]
    for number, key in enumerate(keys):
        path = os.path.join(module.tmpdir, "public-key-%d.pem" % number)
        with open(path, "w") as file:
            file.write(key["key"].strip() + "\n")
        words += ["--public-key", path]
        if key["kid"]:
            words += ["--kid", key["kid"]]
    return words


def command(module):
    given = module.params
    words = [given["path"]] + COMMANDS[given["state"]] + ["--json", "--lock-timeout", given["lock_timeout"]]
    words.append("--dry-run" if module.check_mode else "--yes")
    if given["state"] == "absent":
        return words
    for option, value in (("--domain", given["domain"]), ("--app-id", given["app_id"])):
        if value:
            words += [option, value]
    if given["app_secret"]:
        words += ["--app-secret-file", "-"]
    if given["state"] == "rotated":
        return words
    return words + policy(given) + public_keys(module) + given["options"]


def read(module, code, out, err):
    try:
        report = json.loads(out)
    except ValueError:
        report = None
    if not isinstance(report, dict):
        module.fail_json(msg="no report from %s: %s" % (module.params["path"], (err or out).strip()), exit_code=code)
    if report.get("schema") != SCHEMA:
        # Whatever the run did, its report may not mean what it seems to.
        module.fail_json(
            msg="%s reports in schema %s, and this module reads schema %d: use the collection and the program of the same "
            "release (the run itself ended with exit code %d)" % (module.params["path"], report.get("schema"), SCHEMA, code),
            exit_code=code,
        )
    return report


def changes(report, states):
    for step in report.get("steps", []):
        if step["state"] in states:
            for change in step.get("changes", []):
                yield step, change


def line(change):
    """A change that is not a file's text, in one line."""
    words = [change.get(name) for name in ("path", "target")] if change["kind"] != "run" else change.get("command", [])
    return "%s: %s" % (change["kind"], " ".join(shlex.quote(word) for word in words if word is not None))


def differences(report):
    shown = []
    for step, change in changes(report, ("pending", "done", "failed")):
        text = change.get("diff") or line(change)
        shown.append({"prepared": "# %s: %s\n%s" % (step["id"], step["reason"], text.rstrip("\n") + "\n")})
    return shown


def complaint(report):
    if "error" in report:
        return report["error"]
    for step in report.get("steps", []):
        if step["state"] in ("blocked", "failed", "refused"):
            words = [step["id"] + ": " + step["reason"], step.get("fix") or ""]
            return " - ".join(word for word in words if word)
    proof = report.get("proof") or {}
    return proof.get("reason") or "exit code %s" % report.get("exit_code")


def main():
    switch = {"type": "bool"}
    names = {"type": "list", "elements": "str"}
    text = {"type": "str"}
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "rotated", "absent"], "default": "present"},
            "path": {"type": "path", "default": "jitsi-tokens-setup"},
            "domain": {"type": "str", "default": ""},
            "app_id": {"type": "str", "default": ""},
            "app_secret": {"type": "str", "default": "", "no_log": True},
            "issuer": names,
            "audience": names,
            "signature_algorithm": {"type": "str", "choices": ["HS256", "HS384", "HS512"]},
            "domain_check": switch,
            "require_room": switch,
            # These say whether a token is needed; they hold none.
            "allow_empty_token": {"type": "bool", "no_log": False},
            "moderators_need_token": {"type": "bool", "no_log": False},
            "guests": switch,
            "web_config": switch,
            "moderators": {"type": "str", "choices": ["token", "all"]},
            "public_keys": {
                "type": "list",
                "elements": "dict",
                # A public key is not a secret.
                "no_log": False,
                "options": {"key": {"type": "str", "required": True, "no_log": False}, "kid": {"type": "str"}},
            },
            "jwks": text,
            "key_server": {"type": "str", "no_log": False},
            "kid": names,
            "oidc": text,
            "client_id": text,
            "login_url": text,
            "logout_url": text,
            "options": {"type": "list", "elements": "str", "default": []},
            "lock_timeout": {"type": "str", "default": "5m"},
        },
        supports_check_mode=True,
    )
    secret = module.params["app_secret"] if module.params["state"] != "absent" else ""
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
