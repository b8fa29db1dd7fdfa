package main_test

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

const canary = "CANARY-5Zq"

// with returns the place with another URL, in the environment, and more of it.
func (p *place) with(url string, env ...string) *place {
	q := &place{t: p.t, dialect: p.dialect, dir: p.dir, store: p.store, db: p.db, url: url}
	q.env = append(append(q.env, p.env...), append([]string{"GATEHOUSE_DB=" + url}, env...)...)
	return q
}

// Whatever is wrong with the way to the database, one line says what, and the password is not in it.
func TestNoDatabase(t *testing.T) {
	t.Parallel()
	p := onSQLite(t)
	require.NoError(t, p.store.Migrate(t.Context()))
	noise := filepath.Join(p.dir, "noise.db")
	require.NoError(t, os.WriteFile(noise, []byte(strings.Repeat("no database ", 1000)), 0o600))
	for _, c := range []struct {
		url  string
		code int
		want string
	}{
		{"", 2, `no database: give -db or set GATEHOUSE_DB`},
		{"oracle://u:" + canary + "@h/x", 2, `-db: a URL begins with postgres://, mysql:// or sqlite:`},
		{"postgres://u:" + canary + "%zz@h/x", 2, `-db is not a URL`},
		{"postgres://u:" + canary + "@h/x?sslmode=never", 2, `-db: PostgreSQL's driver does not understand the URL`},
		{"mysql://u:" + canary + "@h/x?timeout=never", 2, `-db: MySQL's driver does not understand the URL`},
		{"sqlite:", 2, `-db: sqlite: needs a path`},
		{"sqlite:x.db?mode=memory", 2, `-db: the only parameter of sqlite: is mode=ro`},
		{"sqlite:nowhere.db", 1, `there is no file nowhere.db`},
		{"sqlite:" + p.dir, 1, `the file \S+ cannot be opened`},
		{"sqlite:" + noise, 1, `the file \S+ is no SQLite database, or is damaged`},
		{"postgres://u:" + canary + "@127.0.0.1:1/x", 1, `cannot reach the database server at 127.0.0.1:1: .*connection refused`},
		{"mysql://u:" + canary + "@127.0.0.1:1/x", 1, `cannot reach the database server at 127.0.0.1:1: .*connection refused`},
		{"mysql://u:" + canary + "@/x?socket=/nowhere/s", 1, `cannot reach the database server at /nowhere/s: .*no such file or directory`},
		{"postgres://u:" + canary + "@host.invalid/x", 1, `there is no host host.invalid, or its name cannot be looked up`},
		{"mysql://u:" + canary + "@host.invalid/x", 1, `there is no host host.invalid, or its name cannot be looked up`},
	} {
		for _, args := range [][]string{{"status", "u"}, {"doctor"}, {"migrate", "status"}, {"suspend", "u", "-json"}} {
			r := p.with(c.url).run(args...)
			require.Equal(t, c.code, r.code, "%s: %s", c.url, r.errs)
			require.Regexp(t, `^gatehouse: `+c.want+`( \(see gatehouse [a-z ]+ --help\))?\n$`, r.errs, c.url)
			require.NotContains(t, r.out+r.errs, canary)
		}
	}

	// As an argument, a password is refused before anything is done with it.
	for _, url := range []string{"postgres://u:" + canary + "@127.0.0.1:1/x", "postgres://u@127.0.0.1:1/x?password=" + canary, "mysql://u:" + canary + "@127.0.0.1:1/x"} {
		r := p.run("-db", url, "status", "u")
		require.Equal(t, 2, r.code)
		require.Regexp(t, `^gatehouse: -db has a password: other users of this machine can read arguments: put .*GATEHOUSE_DB_PASSWORD.*\n$`, r.errs)
		require.NotContains(t, r.errs, canary)
	}
	for _, args := range [][]string{{"--help"}, {"status", "--help"}, {"--version"}, {"nonsense"}} {
		r := p.with("postgres://u:" + canary + "@h/x").run(args...)
		require.NotContains(t, r.out+r.errs, canary)
	}
	file := filepath.Join(p.dir, "password")
	require.NoError(t, os.WriteFile(file, []byte(canary+"\n"), 0o644))
	r := p.run("-db", "postgres://u@127.0.0.1:1/x", "-db-password-file", file, "status", "u")
	require.Equal(t, ran{1, "", "gatehouse: -db-password-file: " + file + ": mode 0644 lets everybody read or write it; give it 0600, or mount it with 0400 or 0440\n"}, r)
}

// A password is taken from each of its places, and a wrong one is told from a server that is down.
func TestPassword(t *testing.T) {
	t.Run("mysql", func(t *testing.T) {
		t.Parallel()
		p := onMySQL(t)
		require.NoError(t, p.store.Migrate(t.Context()))
		user := "u" + strings.ToLower(keyring.Generate().Primary()[1:9])
		for _, statement := range []string{
			"CREATE USER " + user + "@'127.0.0.1' IDENTIFIED BY '" + canary + "'",
			"GRANT SELECT, INSERT, UPDATE, DELETE ON gatehouse_accounts TO " + user + "@'127.0.0.1'",
			"GRANT SELECT, INSERT, UPDATE, DELETE ON gatehouse_tokens TO " + user + "@'127.0.0.1'",
			"GRANT SELECT, INSERT, UPDATE, DELETE ON gatehouse_token_uses TO " + user + "@'127.0.0.1'",
			"GRANT SELECT ON gatehouse_migrations TO " + user + "@'127.0.0.1'",
		} {
			p.grant(statement)
		}
		t.Cleanup(func() { p.db.Exec("DROP USER " + user + "@'127.0.0.1'") })
		u, err := url.Parse(p.url)
		require.NoError(t, err)
		u.User = url.User(user)
		bare := u.String()
		u.User = url.UserPassword(user, canary)
		file := filepath.Join(p.dir, "password")
		require.NoError(t, os.WriteFile(file, []byte(canary+"\n"), 0o600))

		require.Contains(t, p.with(u.String()).ok("suspend", "one"), "suspended")
		require.Contains(t, p.with(bare, "GATEHOUSE_DB_PASSWORD="+canary).ok("suspend", "two"), "suspended")
		require.Contains(t, p.with(bare).ok("suspend", "three", "-db-password-file", file), "suspended")
		for _, wrong := range []string{"", "GATEHOUSE_DB_PASSWORD=" + canary + "x"} {
			r := p.with(bare, wrong).run("status", "one")
			require.Equal(t, 1, r.code)
			require.Regexp(t, `^gatehouse: the database server at \S+ refuses the user `+user+`: the password is wrong or missing, or the user may not connect\n$`, r.errs)
		}
		r := p.with(bare, "GATEHOUSE_DB_PASSWORD="+canary).run("migrate", "down", "-to", "0", "-lose-data")
		require.Equal(t, 1, r.code)
		require.Regexp(t, `^gatehouse: the database user may not do this: .*\n$`, r.errs)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		p := onPostgres(t)
		u, err := url.Parse(p.url)
		require.NoError(t, err)
		u.User = url.UserPassword("nobody", canary)
		r := p.with(u.String()).run("status", "one")
		require.Equal(t, 1, r.code)
		require.Regexp(t, `^gatehouse: the database server at \S+ refuses the user nobody: .*\n$`, r.errs)
		require.NotContains(t, r.errs, canary)
	})
}

// A user who may only read can look, and is told in a line what they may not do.
func TestReadOnlyUser(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		p.enroll("user-42")
		q := p.readOnly()
		require.Contains(t, q.ok("status", "user-42"), "Phone")
		require.Contains(t, q.ok("fleet"), "user-42")
		q.ok("migrate", "status")
		want := `^gatehouse: the database user may not do this: the tables need SELECT, INSERT, UPDATE and DELETE, and migrate needs CREATE`
		if p.dialect == sqlstore.SQLite {
			want = `^gatehouse: the file \S+ cannot be written`
		}
		for _, args := range [][]string{{"suspend", "user-42"}, {"reset", "user-42", "-reason", "x"}, {"after-restore"}, {"migrate", "down", "-to", "0", "-lose-data"}} {
			r := q.run(args...)
			require.Equal(t, 1, r.code, "%v", args)
			require.Regexp(t, want, r.errs, "%v", args)
			require.Equal(t, 1, strings.Count(r.errs, "\n"), "%v: %s", args, r.errs)
			require.NotContains(t, r.out, "-", "a code that is not saved is not printed")
		}
	})
}

// grant runs a statement that the tests' own user of MySQL may lack the right to, and MariaDB's root has.
func (p *place) grant(statement string) {
	p.t.Helper()
	_, err := p.db.Exec(statement)
	if err != nil && p.dialect == sqlstore.MySQL {
		c, err2 := mysql.ParseDSN(p.dsn)
		require.NoError(p.t, err2)
		c.User, c.Passwd = "root", ""
		root, err2 := sql.Open("mysql", c.FormatDSN())
		require.NoError(p.t, err2)
		defer root.Close()
		if _, err2 = root.Exec(statement); err2 == nil {
			return
		}
		p.t.Skipf("no right to grant rights: %v, %v", err, err2)
	}
	require.NoError(p.t, err)
}

// readOnly returns the place as seen by a user with SELECT alone.
func (p *place) readOnly() *place {
	p.t.Helper()
	if p.dialect == sqlstore.SQLite {
		return p.with(p.url + "?mode=ro")
	}
	user := "r" + strings.ToLower(keyring.Generate().Primary()[1:9])
	statements := []string{"CREATE ROLE " + user + " LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO " + user}
	drop := []string{"DROP OWNED BY " + user, "DROP ROLE " + user}
	if p.dialect == sqlstore.MySQL {
		statements = []string{"CREATE USER " + user + "@'127.0.0.1'"}
		for _, table := range []string{"accounts", "tokens", "token_uses", "migrations"} {
			statements = append(statements, "GRANT SELECT ON gatehouse_"+table+" TO "+user+"@'127.0.0.1'")
		}
		drop = []string{"DROP USER " + user + "@'127.0.0.1'"}
	}
	for _, statement := range statements {
		p.grant(statement)
	}
	p.t.Cleanup(func() {
		for _, statement := range drop {
			p.db.Exec(statement)
		}
	})
	u, err := url.Parse(p.url)
	require.NoError(p.t, err)
	u.User = url.User(user)
	return p.with(u.String())
}

func TestDoctor(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		p.enroll("user-42")
		p.ok("suspend", "user-43")
		if path, ok := strings.CutPrefix(p.url, "sqlite:"); ok {
			for _, beside := range []string{"", "-wal", "-shm"} { // which the test's own connection has made
				if _, err := os.Stat(path + beside); err == nil {
					require.NoError(t, os.Chmod(path+beside, 0o600))
				}
			}
		}
		file := p.keysFile(p.keys)
		type answer struct {
			OK     bool
			Checks []struct{ Check, State, Text string }
		}
		of := func(a answer, check string) string {
			for _, c := range a.Checks {
				if c.Check == check {
					return c.State + ": " + c.Text
				}
			}
			return ""
		}
		a := document[answer](p, "doctor", "-keys", file, "-notices")
		require.True(t, a.OK)
		for _, c := range a.Checks {
			require.Equal(t, "ok", c.State, c.Text)
		}
		require.Equal(t, "ok: version 1", of(a, "tables"))
		require.Regexp(t, `^ok: the database's and this machine's differ by \d+(\.\d+)?m?s$`, of(a, "clock"))
		require.Equal(t, "ok: 2, of them 1 without a second factor, 0 locked now, 0 disabled until unlocked, 1 suspended", of(a, "accounts"))
		require.Equal(t, "ok: on; 0 accounts wait to be told", of(a, "notices"))
		require.Contains(t, of(document[answer](p, "doctor"), "notices"), "warn: off, unless the service sets Config.Notices")
		require.Equal(t, "warn: in use: "+p.keys.Primary()+" (1 account); give -keys or set GATEHOUSE_KEYS to compare", of(document[answer](p, "doctor"), "keys"))

		fresh := keyring.Generate()
		a = document[answer](p, "doctor", "-keys", p.keysFile(fresh, p.keys))
		require.True(t, a.OK, "a warning is no failure")
		require.Equal(t, "warn: still under an older key: "+p.keys.Primary()+" (1 account); run gatehouse reseal", of(a, "keys"))
		r := p.run("doctor", "-keys", p.keysFile(fresh))
		require.Equal(t, 1, r.code)
		require.Regexp(t, `(?m)^FAIL  keys +in use, and not among those given: `+p.keys.Primary()+` \(1 account\)`, r.out)
		require.Equal(t, "gatehouse: something is wrong: see the lines that begin with FAIL\n", r.errs)
		require.NoError(t, os.Chmod(file, 0o640))
		r = p.run("doctor", "-keys", file)
		require.Equal(t, 1, r.code)
		require.Regexp(t, `(?m)^FAIL  keys +.*mode 0640`, r.out)

		for _, statement := range map[sqlstore.Dialect][]string{
			sqlstore.PostgreSQL: {"GRANT UPDATE ON gatehouse_accounts TO PUBLIC", "DROP INDEX gatehouse_tokens_expires"},
			sqlstore.MySQL:      {"DROP INDEX expires ON gatehouse_tokens"},
			sqlstore.SQLite:     {"DROP INDEX gatehouse_tokens_expires"},
		}[p.dialect] {
			_, err := p.db.Exec(statement)
			require.NoError(t, err)
		}
		r = p.run("doctor")
		require.Equal(t, 1, r.code)
		require.Regexp(t, `(?m)^FAIL  settings +not as it must be: tokens index \(expires`, r.out)
		if p.dialect == sqlstore.PostgreSQL {
			require.Regexp(t, `(?m)^FAIL  rights +every user of the database may write`, r.out)
			database := p.url[strings.LastIndexByte(p.url, '/')+1 : strings.IndexByte(p.url, '?')]
			_, err := p.db.Exec("CREATE INDEX gatehouse_tokens_expires ON gatehouse_tokens (expires)")
			require.NoError(t, err)
			_, err = p.db.Exec("ALTER DATABASE " + database + " SET synchronous_commit = off")
			require.NoError(t, err)
			r = p.run("doctor")
			require.Regexp(t, `(?m)^FAIL  settings +setting synchronous_commit is "off": a crash of the server takes back saves`, r.out)
			_, err = p.db.Exec("ALTER DATABASE " + database + " RESET synchronous_commit")
			require.NoError(t, err)
			_, err = p.db.Exec("ALTER DATABASE " + database + " SET default_transaction_read_only = on")
			require.NoError(t, err)
			require.Regexp(t, `(?m)^FAIL  writable +the server is a replica or read only`, p.run("doctor").out)
			require.Regexp(t, `(?m)^WARN  settings +setting transaction_read_only is "on": nothing can be saved`, p.run("doctor").out)
			require.Equal(t, "gatehouse: the database is read only: it is a replica, or set to default_transaction_read_only\n", p.run("suspend", "x").errs)
		}
		if p.dialect == sqlstore.MySQL { // row F1
			off := p.with(p.url + "?autocommit=0")
			require.Regexp(t, `(?m)^FAIL  settings +setting autocommit is "OFF": saves are never committed`, off.run("doctor").out)
			r = off.run("suspend", "x", "-operator", "ada", "-reason", "r")
			require.Equal(t, 1, r.code)
			require.Empty(t, r.out)
			require.Regexp(t, `^gatehouse: setting autocommit is "OFF"`, r.errs)
		}
		if p.dialect == sqlstore.SQLite {
			require.NoError(t, os.Chmod(strings.TrimPrefix(p.url, "sqlite:"), 0o666))
			require.Regexp(t, `(?m)^FAIL  file +it, .* has mode 0666`, p.run("doctor").out)
		}
		_, err := p.db.Exec("DROP TABLE gatehouse_migrations")
		require.NoError(t, err)
		require.Regexp(t, `(?m)^FAIL  tables +there are no tables: run gatehouse migrate up$`, p.run("doctor").out)
	})
}

// commandNames are all commands, by what one types.
func commandNames(t *testing.T, p *place, above ...string) (all [][]string) {
	t.Helper()
	out := p.ok(append(above, "--help")...)
	_, list, found := strings.Cut(out, "\nCOMMANDS:\n")
	if !found {
		return [][]string{above}
	}
	list, _, _ = strings.Cut(list, "\n\n")
	for _, m := range regexp.MustCompile(`(?m)^   ([a-z-]+) `).FindAllStringSubmatch(list, -1) {
		all = append(all, commandNames(t, p, append(above[:len(above):len(above)], m[1])...)...)
	}
	return all
}

// Every command has a help with an example, and an example is a command line that is understood.
func TestHelp(t *testing.T) {
	t.Parallel()
	p := onSQLite(t)
	names := commandNames(t, p)
	require.Greater(t, len(names), 17)
	for _, name := range names {
		if name[0] == "completion" {
			continue
		}
		out := p.ok(append(name, "--help")...)
		_, lines, found := strings.Cut(out, "Examples:\n")
		require.True(t, found, "%v", name)
		lines, _, _ = strings.Cut(lines, "\n\n")
		for line := range strings.SplitSeq(strings.TrimRight(lines, "\n"), "\n") {
			line = strings.TrimSpace(line)
			require.True(t, strings.HasPrefix(line, "gatehouse "), "%v: %q", name, line)
			require.Contains(t, line, strings.Join(name, " "))
			line, _, _ = strings.Cut(line, "|")
			line, _, _ = strings.Cut(line, " < ")
			line, _, _ = strings.Cut(line, " >")
			r := p.shell(strings.Replace(line, "gatehouse ", "gatehouse -db sqlite:nowhere ", 1) + " --help")
			if strings.Contains(line, " -db ") {
				r = p.shell(line + " --help")
			}
			require.NotEqual(t, 2, r.code, "%s: %s", line, r.errs)
		}
	}
	require.NoError(t, p.store.Migrate(t.Context()))
	for _, args := range [][]string{{"nonsense"}, {"tokens"}, {"tokens", "nonsense"}, {"status"}, {"status", "a", "b"}, {"-nonsense"}, {"fleet", "-window", "9"}, {"tokens", "purge", "-days", "x"}} {
		r := p.run(args...)
		require.Equal(t, 2, r.code, "%v", args)
		require.Regexp(t, `^gatehouse: [^\n]+ \(see gatehouse[a-z ]* --help\)\n$`, r.errs)
		require.Empty(t, r.out)
	}
}

// The completion of bash, asked in bash.
func TestCompletion(t *testing.T) {
	t.Parallel()
	p := onSQLite(t)
	complete := func(words ...string) string {
		r := p.shell(`_comp_initialize() { :; }; source <(gatehouse completion bash); COMP_WORDS=(gatehouse ` + strings.Join(words, " ") +
			`); COMP_CWORD=` + string(rune('0'+len(words))) + `; __gatehouse_bash_autocomplete; echo "${COMPREPLY[@]}"`)
		require.Zero(t, r.code, r.errs)
		return strings.TrimSpace(r.out)
	}
	require.Equal(t, "reset resume reseal", complete("res"))
	require.Equal(t, "list revoke purge", complete("tokens", "''"))
	require.Contains(t, complete("reseal", "--a"), "--after")
	for _, shell := range []string{"zsh", "fish", "pwsh"} {
		require.Contains(t, p.ok("completion", shell), "generate-shell-completion")
	}
}
