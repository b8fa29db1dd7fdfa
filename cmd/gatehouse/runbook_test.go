package main_test

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/keyring"
)

// recipe is one block of the run book, under its heading.
type recipe struct {
	heading string
	lines   []string
}

// recipes are the blocks of docs/operations.md that begin with the command.
func recipes(t *testing.T) (all []recipe) {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	heading, within := "", false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch title := strings.TrimLeft(line, "#"); {
		case line == "```sh":
			all, within = append(all, recipe{heading: heading}), true
		case line == "```":
			within = false
		case within:
			require.True(t, strings.HasPrefix(line, "gatehouse "), "%q is not run by this test", line)
			all[len(all)-1].lines = append(all[len(all)-1].lines, line)
		case title != line && strings.HasPrefix(title, " "):
			heading = strings.TrimSpace(title)
		}
	}
	return all
}

// documentedToken is the ID of a token that the run book revokes.
const documentedToken = "3FqW0yZkM1bXcT"

// TestRunBook runs every command of the run book in its order, in a service's life that gives it something to do, and
// looks whether it has done that.
func TestRunBook(t *testing.T) {
	eachEmpty(t, func(t *testing.T, p *place) {
		ctx := t.Context()
		primary := keyring.Generate()
		p.keysFile(primary, p.keys)
		var ada *owner
		var found string
		works := func(text string) error { _, err := ada.svc.tokens.Check(ctx, text, netip.Addr{}); return err }
		again := func() {
			require.NoError(t, p.store.DeleteAccount(ctx, "user-42"))
			ada = p.enroll("user-42")
		}
		before := map[string]func(){
			"Daily": func() {
				ada = p.enroll("user-42")
				_, id := p.enroll("user-43").mint(t, "ci")
				rec, _, err := p.store.LoadToken(ctx, id)
				require.NoError(t, err)
				rec.ID = documentedToken
				require.NoError(t, p.store.SaveToken(ctx, rec, 0))
			},
			"Passwords and accounts that change outside of the service": func() {
				p.enroll("user-44")
				p.file("users.csv", "account,secret\nuser-45,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\nuser-46,\n")
			},
			"Restore a backup": func() {
				backup(t, p)
				require.NoError(t, ada.signIn(ada.codes[0].Reveal()))
				require.NoError(t, ada.svc.tokens.Operator(ada.svc.Operator("op")).Revoke(ctx, documentedToken))
				restore(t, p)
				require.NoError(t, ada.signIn(ada.codes[0].Reveal()), "the backup knows nothing of it")
				restore(t, p)
			},
			"A token has leaked": func() {
				again()
				found, _ = ada.mint(t, "deploy")
				require.NoError(t, os.WriteFile(p.dir+"/found.txt", []byte("token="+found+"\n"), 0o600))
				require.NoError(t, works(found))
			},
			"An owner is locked out": func() {
				again()
				for range 6 {
					code := "000000"
					if ada.app.Code(time.Now()) == code {
						code = "111111"
					}
					_, err := ada.svc.StepUp(ctx, ada.session, code)
					require.ErrorIs(t, err, gatehouse.ErrDenied)
				}
			},
			"The database has leaked": again,
		}
		underPrimary := func() {
			require.Contains(t, p.ok("doctor", "-keys", "gatehouse.keys"), "every secret is under the primary one, "+primary.Primary())
		}
		after := map[string]func(){
			"Set up": func() { require.NoError(t, p.store.Validate(ctx)) },
			"Passwords and accounts that change outside of the service": func() {
				require.Contains(t, p.ok("status", "user-42"), "because: its password was in a dump")
				require.Equal(t, 1, p.run("status", "user-44").code)
			},
			"Bring accounts from another system": func() {
				require.Contains(t, p.ok("status", "user-45"), "because: from the old system")
				require.Equal(t, "user-46", p.rows("codes.csv")[0][0])
			},
			"Rotate keys": func() { underPrimary(); ada.svc = p.service(primary, 0) },
			"Restore a backup": func() {
				require.ErrorIs(t, ada.signIn(ada.codes[0].Reveal()), gatehouse.ErrDenied)
				require.Regexp(t, `(?m)^suspended +since`, p.ok("status", "user-43"))
				require.Regexp(t, `(?m)^`+documentedToken+` +ci +revoked`, p.ok("tokens", "list", "user-43"))
			},
			"A token has leaked": func() { require.ErrorIs(t, works(found), gatehouse.ErrDenied) },
			"An account is in the wrong hands": func() {
				a, err := ada.svc.Account(ctx, "user-42")
				require.NoError(t, err)
				require.Zero(t, a.Suspended)
				require.False(t, a.Reset.CodeUsed)
			},
			"An owner is locked out": func() {
				require.Regexp(t, `unlocked +totp, by ada, because: ticket 4712`, p.ok("status", "user-42"))
			},
			"The database has leaked": underPrimary,
		}

		ran := map[string]bool{}
		heading := ""
		ends := func() {
			if f := after[heading]; f != nil {
				f()
			}
			delete(after, heading)
		}
		for _, r := range recipes(t) {
			if r.heading != heading {
				ends()
				if heading = r.heading; before[heading] != nil {
					before[heading]()
					delete(before, heading)
				}
			}
			for _, line := range r.lines {
				run := p.shell(line)
				require.Zero(t, run.code, "%s: %s", line, run.errs)
				words := append(strings.Fields(line), "")
				ran[words[1]], ran[words[1]+" "+words[2]] = true, true
			}
		}
		ends()
		require.Empty(t, before, "a heading that the run book does not have")
		require.Empty(t, after)
		for _, command := range []string{
			"status", "reset", "unlock", "suspend", "resume", "password-changed", "delete", "import", "tokens list", "tokens revoke", "tokens purge", "leaked", "fleet",
			"doctor", "migrate up", "migrate status", "keys new", "reseal", "after-restore",
		} {
			require.True(t, ran[command], "the run book does not have %s", command)
		}
	})
}

var backedUp = []string{"gatehouse_accounts", "gatehouse_tokens", "gatehouse_token_uses"}

func backup(t *testing.T, p *place) {
	t.Helper()
	for _, table := range backedUp {
		_, err := p.db.Exec("CREATE TABLE backup_" + table + " AS SELECT * FROM " + table)
		require.NoError(t, err)
	}
}

func restore(t *testing.T, p *place) {
	t.Helper()
	for _, table := range backedUp {
		_, err := p.db.Exec("DELETE FROM " + table)
		require.NoError(t, err)
		_, err = p.db.Exec("INSERT INTO " + table + " SELECT * FROM backup_" + table)
		require.NoError(t, err)
	}
}
