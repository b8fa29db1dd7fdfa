package main_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

type doc = map[string]any

func TestMigrate(t *testing.T) {
	eachEmpty(t, func(t *testing.T, p *place) {
		require.NoError(t, p.db.Ping()) // a file of SQLite is there then
		if p.dialect == sqlstore.SQLite {
			_, err := p.db.Exec("VACUUM")
			require.NoError(t, err)
		}
		r := p.run("migrate", "status")
		require.Equal(t, ran{1, "", "gatehouse: there are no tables: run gatehouse migrate up\n"}, r)
		require.Equal(t, r, p.run("status", "user-42"), "whatever is asked of it")
		require.Equal(t, "the tables have version 1, and had 0\n", p.ok("migrate", "up"))
		require.NoError(t, p.store.Validate(t.Context()))
		require.Equal(t, doc{"version": 1.0, "was": 1.0, "needed": 1.0}, document[doc](p, "migrate", "up"))
		require.Equal(t, doc{"version": 1.0, "needed": 1.0}, document[doc](p, "migrate", "status"))

		require.Equal(t, 2, p.run("migrate", "down", "-to", "0").code)
		require.Equal(t, 2, p.run("migrate", "down", "-lose-data").code)
		require.Equal(t, "the tables have version 0, and had 1\n", p.ok("migrate", "down", "-to", "0", "-lose-data"))
		require.Equal(t, r, p.run("status", "user-42"), "they are gone")

		printed := p.ok("migrate", "print", "-from", "0")
		require.Equal(t, printed, document[doc](p, "migrate", "print", "-from", "0")["sql"])
		tx, err := p.db.Begin()
		require.NoError(t, err)
		for statement := range strings.SplitSeq(strings.TrimSuffix(printed, ";\n"), ";\n") {
			_, err := tx.Exec(statement)
			require.NoError(t, err, statement)
		}
		require.NoError(t, tx.Commit())
		require.NoError(t, p.store.Validate(t.Context()), "what is printed is what is needed")
		require.Equal(t, p.ok("migrate", "print"), p.ok("migrate", "print", "-db", string(p.dialect)+":"), "it does not connect")
		_, err = p.db.Exec("INSERT INTO gatehouse_migrations (version, applied) SELECT 9, applied FROM gatehouse_migrations WHERE version = 1")
		require.NoError(t, err)
		require.Equal(t, "gatehouse: the tables have version 9, and this command knows 1: use a newer command\n", p.run("status", "u").errs)
	})
}

// Tables may stand elsewhere, and those at the usual place are then left alone.
func TestElsewhere(t *testing.T) {
	eachEmpty(t, func(t *testing.T, p *place) {
		options := sqlstore.Options{Prefix: "app_"}
		where := []string{"-prefix", "app_"}
		if p.dialect == sqlstore.PostgreSQL {
			_, err := p.db.Exec(`CREATE SCHEMA "user"`)
			require.NoError(t, err)
			options.Schema, where = "user", append(where, "-schema", "user")
		}
		in := func(args ...string) []string { return append(args, where...) }
		p.ok(in("migrate", "up")...)
		version, err := p.store.Version(t.Context())
		require.NoError(t, err)
		require.Zero(t, version)
		p.store, err = sqlstore.New(p.db, p.dialect, options)
		require.NoError(t, err)
		p.enroll("user-42")
		require.Contains(t, p.ok(in("status", "user-42")...), "Phone")
		require.Contains(t, p.ok(in("doctor", "-keys", p.keysFile(p.keys))...), "every secret is under the primary one")
		require.Contains(t, p.ok(in("doctor", "-keys", p.keysFile(p.keys))...), "1, of them 0 without a second factor")
		require.Equal(t, "1 account seen, 1 moved\n", p.ok(in("reseal", "-keys", p.keysFile(keyring.Generate(), p.keys))...))
		require.Equal(t, 2, p.run("status", "user-42", "-prefix", "no;").code)
	})
}

func TestAccounts(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		ctx := t.Context()
		o := p.enroll("user-42")
		wrong := "000000"
		if o.app.Code(time.Now()) == wrong {
			wrong = "111111"
		}
		for range 6 {
			_, err := o.svc.StepUp(ctx, o.session, wrong)
			require.ErrorIs(t, err, gatehouse.ErrDenied)
		}
		out := p.ok("status", "user-42")
		require.Regexp(t, `(?m)^second step +needed at sign-in$`, out)
		require.Regexp(t, `(?m)^authenticator +Phone, paired 20`, out)
		require.Regexp(t, `(?m)^codes of apps +locked until 20`, out)
		require.Regexp(t, `(?m)^recovery codes +10 of 10 left, .* saved never, open$`, out)
		require.Regexp(t, `denied +totp, 6 times\n`, out)
		d := document[doc](p, "status", "user-42")
		require.Equal(t, "locked", d["methods"].(doc)["totp"].(doc)["state"])
		require.Equal(t, doc{"state": "open", "locked_until": nil}, d["methods"].(doc)["recovery_code"])
		require.Equal(t, 10.0, d["recovery_codes"].(doc)["left"])
		require.Equal(t, "Phone", d["authenticators"].([]any)[0].(doc)["name"])

		require.Equal(t, "unlocked totp of user-42\n", p.ok("unlock", "user-42", "-reason", "ticket 4711"))
		require.Equal(t, "nothing of user-42 is locked\n", p.ok("unlock", "user-42"))
		require.Equal(t, doc{"account": "user-42", "changed": false}, document[doc](p, "unlock", "user-42"))
		require.NoError(t, o.signIn(o.app.Code(time.Now())))

		require.Equal(t, "suspended user-42\n", p.ok("suspend", "user-42", "-reason", "paste", "-event-log", p.log))
		require.ErrorIs(t, o.signIn(o.codes[0].Reveal()), gatehouse.ErrDenied)
		require.Equal(t, "user-42 was suspended already\n", p.ok("suspend", "user-42"))
		require.Contains(t, p.ok("status", "user-42"), "by ada, because: paste")
		require.Equal(t, doc{"account": "user-42", "changed": true}, document[doc](p, "resume", "user-42", "-event-log", p.log))
		require.Equal(t, "user-42 was not suspended\n", p.ok("resume", "user-42"))
		log, err := os.ReadFile(p.log)
		require.NoError(t, err)
		require.Equal(t, 2, strings.Count(string(log), "\n"), "%s", log)
		require.Contains(t, string(log), `"kind":"account.suspended","account":"user-42"`)
		require.Contains(t, string(log), `"operator":"ada","reason":"paste"`)

		r := p.run("reset", "user-42", "-reason", "lost phone")
		require.Zero(t, r.code)
		code := strings.TrimSpace(r.out)
		require.Regexp(t, `^[0-9A-Z]{4}(-[0-9A-Z]{4}){3}$`, code, "nothing else is on standard output")
		require.NotContains(t, r.errs, code)
		require.Contains(t, p.ok("status", "user-42"), "nothing enrolled since; the operator code works until 20")
		again := document[struct{ Account, Code, Expires string }](p, "reset", "user-42", "-reason", "did not reach them")
		require.ErrorIs(t, o.redeem(code), gatehouse.ErrDenied, "the second has ended it")
		require.NoError(t, o.redeem(again.Code))
		require.Contains(t, p.ok("status", "user-42"), "the operator code is used up")
		for _, secret := range []string{code, again.Code} {
			require.Equal(t, 1, strings.Count(p.said.String(), secret), "it is printed once")
		}

		// What a person may get wrong.
		r = p.run("reset", "user-42")
		require.Equal(t, ran{2, "", "gatehouse: reset needs -reason (see gatehouse reset --help)\n"}, r)
		for _, args := range [][]string{{"status", "user-43"}, {"reset", "user-43", "-reason", "x"}, {"unlock", "user-43"}, {"resume", "user-43"}, {"tokens", "list", "user-43"}} {
			require.Equal(t, ran{1, "", "gatehouse: nothing is stored of an account user-43\n"}, p.run(args...))
		}
		r = p.run("suspend", "user-43")
		require.Equal(t, "suspended user-43\n", r.out)
		require.Contains(t, r.errs, "is the ID right?")
		require.Equal(t, ran{1, "", "gatehouse: not possible in the account's state: the account has no second factor\n"}, p.run("reset", "user-43", "-reason", "x"))
		require.Equal(t, ran{2, "", "gatehouse: suspend needs -operator (or GATEHOUSE_OPERATOR): who does this (see gatehouse suspend --help)\n"},
			p.run("suspend", "user-43", "-operator", ""))
		require.Equal(t, 1, p.run("suspend", "user-43", "-operator", strings.Repeat("x", 65)).code)

		// IDs are bytes: spaces, quotes, and what would move a terminal's cursor.
		for _, id := range []string{" a b ", "it's", "x\x1b[2Jy", "-dash", "help", "ünï"} {
			p.ok("suspend", "--", id)
			out := p.ok("status", "--", id)
			require.NotContains(t, out, "\x1b")
			var d doc
			require.NoError(t, json.Unmarshal([]byte(p.ok("status", "-json", "--", id)), &d))
			require.Equal(t, id, d["account"])
		}
	})
}

func (o *owner) redeem(code string) error {
	challenge, err := o.challenge()
	if err != nil {
		return err
	}
	_, err = o.svc.RedeemOperatorCode(context.Background(), gatehouse.Session{}, challenge, code)
	return err
}

// Where the service has another window than the usual one, a method is disabled at another count.
func TestWindow(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		o := p.enroll("user-42")
		for i := range 31 {
			then := p.service(p.keys, time.Duration(i+1)*2*time.Hour-100*time.Hour)
			code := "000000"
			if o.app.Code(time.Now()) == code {
				code = "111111"
			}
			_, err := then.StepUp(t.Context(), o.session, code)
			require.ErrorIs(t, err, gatehouse.ErrDenied)
		}
		wide := []string{"user-42", "-window", "2,2"}
		require.Regexp(t, `codes of apps +open`, p.ok("status", "user-42"))
		require.Regexp(t, `codes of apps +disabled after too many wrong codes`, p.ok(append([]string{"status"}, wide...)...))
		require.Equal(t, "nothing of user-42 is locked\n", p.ok("unlock", "user-42"))
		require.Equal(t, "unlocked totp of user-42\n", p.ok(append([]string{"unlock"}, wide...)...))
		p.env = append(p.env, "GATEHOUSE_WINDOW=2,2")
		require.Regexp(t, `codes of apps +open`, p.ok("status", "user-42"))
	})
}

func TestTokens(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		ctx := t.Context()
		o := p.enroll("user-42")
		require.Equal(t, "user-42 has no tokens\n", p.ok("tokens", "list", "user-42"))
		require.Empty(t, p.ok("tokens", "list", "user-42", "-json"))
		text := map[string]string{}
		id := map[string]string{}
		for _, name := range []string{"one", "two", "three", "four", "five"} {
			text[name], id[name] = o.mint(t, name)
		}
		works := func(name string) bool {
			_, err := o.svc.tokens.Check(ctx, text[name], netip.Addr{})
			if err != nil {
				require.ErrorIs(t, err, gatehouse.ErrDenied)
			}
			return err == nil
		}
		require.Equal(t, "revoked token "+id["one"]+", one, of user-42\n", p.ok("tokens", "revoke", id["one"], "-event-log", p.log))
		require.False(t, works("one"))
		require.Equal(t, "token "+id["one"]+" was revoked already\n", p.ok("tokens", "revoke", id["one"]))
		require.Equal(t, doc{"account": "user-42", "id": id["two"], "name": "two", "changed": true}, document[doc](p, "tokens", "revoke", id["two"]))
		require.Equal(t, ran{1, "", "gatehouse: not found: no such token\n"}, p.run("tokens", "revoke", "nobodys"))
		lines := strings.Split(strings.TrimSpace(p.ok("tokens", "list", "user-42", "-json")), "\n")
		require.Len(t, lines, 5)
		states := map[string]any{}
		for _, line := range lines {
			var d doc
			require.NoError(t, json.Unmarshal([]byte(line), &d))
			states[d["name"].(string)] = d["state"]
		}
		require.Equal(t, map[string]any{"one": "revoked", "two": "revoked", "three": "active", "four": "active", "five": "active"}, states)
		require.Regexp(t, `(?m)^`+id["three"]+` +three +active +20.*logs:read$`, p.ok("tokens", "list", "user-42"))
		require.Equal(t, 1, strings.Count(p.ok("tokens", "list", "user-42"), "LAST USED"), "one heading")

		off := p.enroll("user-43")
		off.mint(t, "waits")
		_, err := off.svc.Owner(off.session).DisableTwoFactor(ctx)
		require.NoError(t, err)
		require.Equal(t, "needs_second_factor", document[doc](p, "tokens", "list", "user-43")["state"])
		require.Regexp(t, `waits +needs second factor +20`, p.ok("tokens", "list", "user-43"))
		require.NoError(t, p.store.DeleteAccount(ctx, "user-43"))

		// Of what is found somewhere, ours is revoked, and nothing is said of the rest.
		forged := text["four"][:30] + "AAAA" + text["four"][34:]
		found := "x " + text["three"] + " y\n" + `{"secret":"` + text["three"] + `","and":"` + text["one"] + "\"}\nghp_0123456789\n" + forged + "\nnothing\n"
		r := p.feed(found, "leaked", "-event-log", p.log)
		require.Equal(t, ran{0, "revoked token " + id["three"] + ", three, of user-42\n", "1 token revoked\n"}, r)
		log, err := os.ReadFile(p.log)
		require.NoError(t, err)
		require.Contains(t, string(log), `"token":"`+id["three"]+`","name":"three","operator":"ada"`)
		require.Equal(t, ran{0, "", "0 tokens revoked\n"}, p.feed(found, "leaked"))
		require.False(t, works("three"))
		require.True(t, works("four"), "a token with a secret of somebody's making is not ours")
		r = p.feed(text["four"], "leaked", "-json")
		require.JSONEq(t, `{"account":"user-42","id":"`+id["four"]+`","name":"four","changed":true}`, r.out)
		require.Equal(t, 2, p.feed(found, "leaked", "-brand", "").code)
		require.Equal(t, 2, p.feed(found, "leaked", "-brand", "No!").code)

		require.Equal(t, "revoked all tokens of user-42\n", p.ok("tokens", "revoke", "-account", "user-42"))
		require.False(t, works("five"))
		require.Equal(t, 2, p.run("tokens", "revoke").code)
		require.Equal(t, 2, p.run("tokens", "revoke", id["one"], "-account", "user-42").code)

		require.Equal(t, "5 tokens seen, 0 purged\n", p.ok("tokens", "purge"))
		time.Sleep(1100 * time.Millisecond) // they were revoked in this second
		require.Equal(t, doc{"seen": 5.0, "done": 4.0, "failed": 0.0, "cursor": max(id["one"], id["two"], id["three"], id["four"], id["five"]), "complete": true},
			document[doc](p, "tokens", "purge", "-days", "0"))
		left := 0
		for _, err := range p.service(p.keys, 0).tokens.List(ctx, "user-42") {
			require.NoError(t, err)
			left++
		}
		require.Equal(t, 1, left)
		for _, secret := range text {
			require.NotContains(t, p.said.String(), secret)
		}
	})
}

func TestReseal(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		o := p.enroll("user-42")
		p.ok("suspend", "bare")
		fresh := keyring.Generate()
		file := p.keysFile(fresh, p.keys)
		require.Equal(t, ran{2, "", "gatehouse: no keys: give -keys FILE or set GATEHOUSE_KEYS (see gatehouse reseal --help)\n"}, p.run("reseal"))
		require.Equal(t, "2 accounts seen, 1 moved\n", p.ok("reseal", "-keys", file))
		require.Equal(t, doc{"seen": 2.0, "done": 0.0, "failed": 0.0, "cursor": "user-42", "complete": true}, document[doc](p, "reseal", "-keys", file))
		o.svc = p.service(fresh, 0)
		require.NoError(t, o.signIn(o.app.Code(time.Now())), "the old key is not needed any more")

		// A key that is lost, in the environment.
		p.env = append(p.env, "GATEHOUSE_KEYS="+keyring.Generate().Reveal())
		r := p.run("reseal")
		require.Equal(t, 1, r.code)
		require.Equal(t, "2 accounts seen, 0 moved, 1 cannot be read\n", r.out)
		require.Regexp(t, `^gatehouse: some accounts were passed over, the first for: .*\n$`, r.errs)
		require.NotContains(t, r.errs, "go on with")

		require.NoError(t, os.Chmod(file, 0o644))
		r = p.run("reseal", "-keys", file)
		require.Equal(t, 1, r.code)
		require.Regexp(t, `^gatehouse: -keys: .*mode 0644.*give it 0600, or mount it with 0400 or 0440\n$`, r.errs)
		require.Equal(t, ran{1, "", "gatehouse: -keys: there is no file nowhere\n"}, p.run("reseal", "-keys", "nowhere"))
	})
}

func TestFleet(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		p.enroll("user-1")
		p.enroll("user-3")
		p.ok("suspend", "user-2")
		out := p.ok("fleet")
		require.Regexp(t, `(?m)^LEVEL  SCORE  ACCOUNT +FAILING\n +1 +\d+  user-1 +recovery-codes-saved second-authenticator\n +0 +\d+  user-2 +second-factor`, out)
		require.Contains(t, out, "\n3 accounts; level 0: 1, 1: 2, 2: 0, 3: 0\n")
		records, err := csv.NewReader(strings.NewReader(p.ok("fleet", "-csv"))).ReadAll()
		require.NoError(t, err)
		require.Len(t, records, 4)
		require.Equal(t, []string{"account", "level", "score", "failing", "error"}, records[0])
		require.Equal(t, "user-3", records[3][0])
		var members []doc
		for line := range strings.Lines(p.ok("fleet", "-json", "-after", "user-1")) {
			var d doc
			require.NoError(t, json.Unmarshal([]byte(line), &d))
			members = append(members, d)
		}
		require.Len(t, members, 2)
		require.Equal(t, "user-3", members[1]["account"])
		require.Equal(t, "unknown", members[1]["controls"].(doc)["email-verified"], "it is not known here")
		require.NotContains(t, members[1]["controls"], "keys-current", "nor is the primary key")
		require.Contains(t, p.ok("fleet", "-json", "-keys", p.keysFile(keyring.Generate(), p.keys)), `"keys-current":"fail"`)
		require.Equal(t, 2, p.run("fleet", "-csv", "-json").code)

		_, err = p.db.Exec("UPDATE gatehouse_accounts SET data = '{' WHERE id = 'user-1'")
		if p.dialect == sqlstore.SQLite {
			_, err = p.db.Exec("UPDATE gatehouse_accounts SET data = x'7b' WHERE id = 'user-1'")
		}
		require.NoError(t, err)
		r := p.run("fleet")
		require.Equal(t, 1, r.code)
		require.Equal(t, "gatehouse: the records of 1 account cannot be read\n", r.errs)
		require.Regexp(t, `(?m)^ +- +-  user-1 +the record cannot be read$`, r.out)
	})
}

func TestAfterRestore(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		ctx := t.Context()
		o, keeps := p.enroll("user-42"), p.enroll("user-43")
		backup, err := p.store.LoadAccount(ctx, o.id)
		require.NoError(t, err)
		code, recoveryCode := o.app.Code(time.Now()), o.codes[0].Reveal()
		use := func() [2]error { return [2]error{o.signIn(code), o.signIn(recoveryCode)} }
		require.Equal(t, [2]error{}, use())
		restore := func() {
			require.NoError(t, p.store.DeleteAccount(ctx, o.id))
			require.NoError(t, p.store.SaveAccount(ctx, backup, 0))
		}
		restore()
		require.Equal(t, [2]error{}, use(), "codes that were used work again")
		restore()

		require.Equal(t, "2 accounts seen, 2 done\n", p.ok("after-restore", "-reason", "disk"), "it needs no keys")
		for _, err := range use() {
			require.ErrorIs(t, err, gatehouse.ErrDenied)
		}
		require.Regexp(t, `account restored +by ada, because: disk`, p.ok("status", "user-42"))
		require.Regexp(t, `recovery codes +0 of 10 left`, p.ok("status", "user-42"))
		require.Regexp(t, `second step +needed`, p.ok("status", "user-42"))

		require.NoError(t, p.store.DeleteAccount(ctx, keeps.id))
		keeps = p.enroll("user-43")
		text, _ := keeps.mint(t, "ci")
		d := document[doc](p, "after-restore", "-keep-recovery-codes", "-after", "user-42")
		require.Equal(t, doc{"seen": 1.0, "done": 1.0, "failed": 0.0, "cursor": "user-43", "complete": true}, d)
		require.NoError(t, keeps.signIn(keeps.codes[0].Reveal()))
		_, err = keeps.svc.tokens.Check(ctx, text, netip.Addr{})
		require.NoError(t, err)
		p.ok("after-restore", "-revoke-tokens")
		_, err = keeps.svc.tokens.Check(ctx, text, netip.Addr{})
		require.ErrorIs(t, err, gatehouse.ErrDenied)
	})
}

func TestKeysNew(t *testing.T) {
	p := onSQLite(t)
	ring, err := keyring.Parse(p.ok("keys", "new"))
	require.NoError(t, err)
	d := document[doc](p, "keys", "new")
	other, err := keyring.Parse(d["key"].(string))
	require.NoError(t, err)
	require.Equal(t, d["name"], other.Primary())
	require.NotEqual(t, ring.Primary(), other.Primary())

	path := p.dir + "/new.keys"
	out := p.ok("keys", "new", "-out", path)
	written, err := keyring.ReadFile(path)
	require.NoError(t, err, "it has the mode that is insisted on")
	require.Equal(t, "wrote key "+written.Primary()+" to "+path+"\n", out, "the key itself is in the file alone")
	r := p.run("keys", "new", "-out", path)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errs, "keys are not overwritten")
	same, err := keyring.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, written.Primary(), same.Primary())
}
