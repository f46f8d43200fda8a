#!/usr/bin/env python3
"""Tokens of many shapes, as applications really make them or get them wrong.

What real plugins answer to each is in tests/fixtures/verdicts/verdicts.tsv.
shapes(secret, app_id, domain, now=None) -> {name: token}. Base claims and header are those of "plain".
As a script: shapes.py APP_ID SECRET_FILE DOMAIN FOLDER writes each as FOLDER/NAME.jwt.
"""
import base64
import hashlib
import hmac
import json
import os
import sys
import time


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def raw(header, claims, secret, alg='sha256'):
    signed = b64(json.dumps(header).encode()) + '.' + b64(json.dumps(claims).encode())
    return signed + '.' + b64(hmac.new(secret.encode(), signed.encode(), getattr(hashlib, alg)).digest())


def shapes(secret, app, dom, now=None):
    now = int(now or time.time())
    base = dict(aud='jitsi', iss=app, sub=dom, room='tea', exp=now + 7200, iat=now, nbf=now - 10, context={'user': {'name': 'Ada', 'email': 'ada@example.org', 'id': '7'}})
    S = {}
    H = {'alg': 'HS256', 'typ': 'JWT'}

    def t(n, header=None, drop=(), **c):
        d = dict(base)
        d.update(c)
        for k in drop:
            d.pop(k, None)
        S[n] = raw(header or H, d, secret)
    t('plain')
    t('aud-array-2', aud=['jitsi', 'other'])
    t('aud-number', aud=7)
    t('aud-empty', aud='')
    t('aud-null', aud=None)
    t('aud-other', aud='account')
    t('iss-wrong', iss='other')
    t('iss-null', iss=None)
    t('sub-star', sub='*')
    t('sub-appid', sub=app)
    t('sub-null', sub=None)
    t('sub-upper', sub=dom.upper())
    t('sub-tenant', sub='acme')
    t('sub-empty', sub='')
    t('sub-array', sub=[dom])
    t('room-number', room=42)
    t('room-empty', room='')
    t('room-upper', room='Tea')
    t('room-null', room=None)
    t('room-other', room='coffee')
    t('room-bool', room=True)
    t('room-jid', room='tea@conference.' + dom)
    t('room-tenantpath', room='acme/tea')
    t('exp-string', exp=str(now + 7200))
    t('exp-missing', drop=['exp'])
    t('exp-float', exp=now + 7200.5)
    t('exp-ms', exp=(now + 7200) * 1000)
    t('exp-past', exp=now - 5)
    t('nbf-string', nbf=str(now - 10))
    t('nbf-missing', drop=['nbf'])
    t('nbf-null', nbf=None)
    t('nbf-future', nbf=now + 3600)
    t('nbf-ms', nbf=now * 1000)
    t('nbf-zero', nbf=0)
    t('iat-ms', iat=now * 1000)
    t('iat-missing', drop=['iat'])
    t('iat-string-expired', iat=str(now - 90), exp=now - 60)
    t('ctx-missing', drop=['context'])
    t('ctx-null', context=None)
    t('ctx-array', context=[])
    t('ctx-string', context='x')
    t('ctx-user-string', context={'user': 'Ada'})
    t('ctx-user-null', context={'user': None})
    t('ctx-empty', context={})
    t('mod-string', context={'user': {'name': 'A', 'moderator': 'true'}})
    t('mod-false', context={'user': {'name': 'A', 'moderator': False}})
    t('mod-top', moderator=True)
    t('aff-owner', context={'user': {'name': 'A', 'affiliation': 'owner'}})
    t('aff-null', context={'user': {'name': 'A', 'affiliation': None, 'avatar': None}, 'group': None})
    t('hidden', context={'user': {'name': 'A', 'hidden-from-recorder': True}})
    t('lobby', context={'user': {'name': 'A', 'lobby_bypass': True, 'security_bypass': True}})
    t('features-bool', context={'user': {'name': 'A'}, 'features': {'recording': True, 'livestreaming': False}})
    t('features-unknown', context={'user': {}, 'features': {'teleport': True}})
    t('tenant', context={'user': {'name': 'A'}, 'tenant': 'acme'})
    t('tenant-null', context={'user': {'name': 'A'}, 'tenant': None})
    t('regex-true', room='te.', context={'user': {}, 'room': {'regex': True}})
    t('regex-string', room='t.*', context={'user': {}, 'room': {'regex': 'true'}})
    t('regex-partial', room='t', context={'user': {}, 'room': {'regex': True}})
    t('regex-upper', room='T%a+', context={'user': {}, 'room': {'regex': True}})
    t('ctx-room-lobby', context={'user': {}, 'room': {'lobby': True, 'password': 'x'}})
    t('ctx-room-string', context={'user': {}, 'room': 'tea'})
    t('hdr-notyp', {'alg': 'HS256'})
    t('hdr-at+jwt', {'alg': 'HS256', 'typ': 'at+jwt'})
    t('hdr-cty', {'alg': 'HS256', 'typ': 'JWT', 'cty': 'JWT'})
    S['alg-hs512'] = raw({'alg': 'HS512', 'typ': 'JWT'}, base, secret, 'sha512')
    S['alg-hs384'] = raw({'alg': 'HS384', 'typ': 'JWT'}, base, secret, 'sha384')
    t('alg-lower', {'alg': 'hs256', 'typ': 'JWT'})
    t('matrix', aud='https://' + dom, iss=dom, room='*', context={'user': {'name': 'x', 'avatar': ''}, 'matrix': {'token': 'abc', 'room_id': '!a:b', 'server_name': 'b'}})
    t('keycloak', {'alg': 'HS256', 'typ': 'JWT', 'kid': 'abc'}, iss='https://sso.example.org/realms/jitsi', aud='account', typ='Bearer', azp='jitsi', session_state='u', preferred_username='ada', room='*', sub='f3b1-uuid')
    t('nextcloud', room='*', context={'user': {'id': 'ada', 'name': 'Ada', 'email': 'ada@example.org', 'avatar': 'https://cloud.example.org/a', 'moderator': True}}, drop=['iat'])
    t('wordpress', drop=['nbf', 'iat'], context={'user': {'name': 'Ada', 'email': 'a@example.org', 'affiliation': 'owner'}, 'features': {'livestreaming': True, 'recording': True}})
    t('rocketchat', room='*', drop=['exp'], iat=now, context={'user': {'name': 'Ada', 'email': 'a@e.org', 'avatar': 'x', 'id': '1'}, 'group': ''})
    t('mattermost', context={'user': {'avatar': 'https://mm/a', 'name': 'ada', 'email': 'a@b', 'id': 'x1'}, 'group': ''}, drop=['nbf', 'iat'])
    t('moodle', affiliation='owner', moderator=True, context={'user': {'affiliation': 'owner', 'avatar': 'https://m/a', 'name': 'Ada', 'email': 'a@b', 'id': ''}, 'group': ''}, drop=['nbf', 'iat'])
    t('unicode', context={'user': {'name': 'Zoë 李 😀'}})
    pl = json.dumps(base)

    def rawp(n, payload, header=H):
        s = b64(json.dumps(header).encode()) + '.' + b64(payload)
        S[n] = s + '.' + b64(hmac.new(secret.encode(), s.encode(), hashlib.sha256).digest())
    rawp('latin1-name', pl.encode().replace(b'Ada', b'Zo\xeb'))
    rawp('dup-room', pl.replace('"room": "tea"', '"room": "x", "room": "tea"').encode())
    rawp('exp-sci', pl.replace('"exp": %d' % (now + 7200), '"exp": 1.9e9').encode())
    rawp('exp-huge', pl.replace('"exp": %d' % (now + 7200), '"exp": 1e999').encode())
    rawp('exp-hex', pl.replace('"exp": %d' % (now + 7200), '"exp": 0x7fffffff').encode())
    rawp('nan', pl.replace('"nbf": %d' % (now - 10), '"nbf": NaN').encode())
    rawp('single-quotes', pl.replace('"', "'").encode())
    rawp('deep2000', (pl[:-1] + ',"x":' + '[' * 2000 + ']' * 2000 + '}').encode())
    a, b, _ = S['plain'].split('.')
    S['nodot'] = '123'
    S['empty-sig'] = a + '.' + b + '.'
    S['newline'] = S['plain'][:60] + '\n' + S['plain'][60:]
    S['trail-nl'] = S['plain'] + '\n'
    S['urlenc'] = S['plain'].replace('.', '%2E')
    return S


if __name__ == '__main__':
    app, secret_file, domain, folder = sys.argv[1:5]
    os.makedirs(folder, exist_ok=True)
    for name, token in shapes(open(secret_file).read().strip(), app, domain).items():
        with open(os.path.join(folder, name + '.jwt'), 'w') as file:
            file.write(token)
