package main_test

import (
	"bytes"
	"database/sql"
	"encoding/csv"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/totp"
)

// file writes a file that only its owner can read.
func (p *place) file(name, text string) string {
	p.t.Helper()
	require.NoError(p.t, os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600))
	return name
}

// rows reads a file of CSV without its header.
func (p *place) rows(name string) [][]string {
	p.t.Helper()
	f, err := os.Open(filepath.Join(p.dir, name))
	require.NoError(p.t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(p.t, err)
	require.Equal(p.t, os.FileMode(0o600), info.Mode().Perm())
	all, err := csv.NewReader(f).ReadAll()
	require.NoError(p.t, err)
	require.NotEmpty(p.t, all)
	return all[1:]
}

// stored is all that the database has of accounts.
func (p *place) stored() (all []string) {
	p.t.Helper()
	page, err := p.store.Accounts(p.t.Context(), "", 1000)
	require.NoError(p.t, err)
	for _, rec := range page.Records {
		all = append(all, fmt.Sprintf("%s %d %x", rec.ID, rec.Version, rec.Data))
	}
	return all
}

const (
	bcryptHash  = "$2a$04$l1AS1qsFpT3u9rii.1Ya2.aCp4EpSu6E8tlgapciUwsbvQPpxduPy" // of f7a2k-9xq0m
	otherSecret = "MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK"
	longSecret  = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" // of RFC 6238
	shortSecret = "JBSWY3DPEHPK3PXP"
)

// signsIn reports whether an account's owner gets in with a code.
func (p *place) signsIn(account, code string) bool {
	p.t.Helper()
	err := (&owner{svc: p.service(p.keys, 0), id: account}).signIn(code)
	if err != nil {
		require.ErrorIs(p.t, err, gatehouse.ErrDenied)
	}
	return err == nil
}

func codeNow(t *testing.T, secret string, algorithm totp.Algorithm, digits int) string {
	t.Helper()
	s, _, err := totp.ParseImported(secret)
	require.NoError(t, err)
	code, err := totp.Key{Secret: s, Weak: s.Weak(), Algorithm: algorithm, Digits: digits}.Code(totp.Step(time.Now()))
	require.NoError(t, err)
	return code
}

// usersCSV has what a table may have. Its lines are CRLF, some fields are quoted, and it begins with a byte order mark.
var usersCSV = "\ufeff" + strings.ReplaceAll(`Account, secret,secret_hex,algorithm,digits,period,name,last_step,recovery_codes,recovery_hashes,recovery_digits
ada,`+longSecret+`,,,,,"Phone, old",1,,`+bcryptHash+`,
"it's
me",`+strings.ToLower(shortSecret)+`,,sha1,6,30,,1,"efgh-ijkl
mnop-qrst-uv",,
hex,,3132333435363738393031323334353637383930,SHA256,8,,,1,,c17c025fb9ed44eae8a9d5c9df0312af5c6161bd79bd669692364fc5ecaf108a,14
two,`+longSecret+`,,,,,Phone,1,,,
two,`+otherSecret+`,,,,,Tablet,1,,,
two,`+shortSecret[:8]+`,,,,,Old,1,,,
six,`+longSecret+`,,,,,,1,123456 guessguess,,
slow,`+longSecret+`,,,,10,,170000000,,,
md5,`+longSecret+`,,MD5,,,,,,,
number,`+longSecret+`,,,six,,,,,,
fields,`+longSecret+`
quote,`+longSecret[:16]+`"`+longSecret[16:]+`,,,,,,,,,
both,`+longSecret+`,3132333435363738393031323334353637383930,,,,,,,,
seconds,`+longSecret+`,,,,,,1700000000,,,
,`+longSecret+`,,,,,,,,,
sms,,,,,,,,,,
cut,ABCDEFGHIJKLMNOPQRSTUVWXY3,,,,,,1,,,
`, "\n", "\r\n")

// lineOutcomes are the rows of the report, where accounts are not closed. The reason of the line without an account is that of its ID.
func lineOutcomes() [][]string {
	const nothing = "invalid argument: no authenticator can be imported ([%s]), and -close is not given"
	return [][]string{
		{"2", "ada", "imported", "brought", "brought:1", ""},
		{"3", "it's me", "imported", "weak", "brought:2", ""},
		{"6", "hex", "imported", "brought", "brought:1", ""},
		{"7", "two", "imported", "brought", "", ""},
		{"8", "two", "imported", "brought", "", ""},
		{"9", "two", "refused", "bad_secret", "", "the secret is not 10 to 128 bytes in base32 or hexadecimal"},
		{"10", "six", "partly", "brought", "guessable:1 brought:1", ""},
		{"11", "slow", "refused", "", "", fmt.Sprintf(nothing, "bad_period")},
		{"12", "md5", "refused", "", "", fmt.Sprintf(nothing, "bad_parameters")},
		{"13", "number", "refused", "", "", "digits is no number of 1 to 100"},
		{"14", "", "refused", "", "", "2 fields, and the header has 11"},
		{"15", "", "refused", "", "", `bare " in non-quoted-field`},
		{"16", "both", "refused", "", "", "both secret and secret_hex are set"},
		{"17", "seconds", "refused", "", "", "invalid argument: the last step is negative or in the future: a step is Unix seconds over 30 (authenticator 1)"},
		{"18", "", "refused", "", "", "the account is not 1 to 255 bytes of UTF-8"},
		{"19", "sms", "refused", "", "", fmt.Sprintf(nothing, "")},
		{"20", "cut", "imported", "brought", "", "the secret has bits left over: it may have been cut"},
	}
}

func TestImport(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		args := []string{"import", p.file("users.csv", usersCSV), "-keys", p.keysFile(p.keys), "-report", "report.csv"}
		and := func(more ...string) []string { return append(args[:len(args):len(args)], more...) }

		// The dry run says all of it, and changes nothing.
		r := p.run(and("-dry-run", "-event-log", p.log)...)
		require.Equal(t, 1, r.code, r.errs)
		require.Equal(t, "dry run, nothing was changed: 17 lines seen, 6 imported (1 weak), 1 partly, 0 there already, 0 closed, 10 refused\n", r.out)
		require.Equal(t, lineOutcomes(), p.rows("report.csv"))
		require.Empty(t, p.stored())
		require.NoFileExists(t, p.log)

		said := r.errs
		r = p.run(and("-event-log", p.log, "-reason", "moved")...)
		require.Equal(t, ran{1, "17 lines seen, 6 imported (1 weak), 1 partly, 0 there already, 0 closed, 10 refused\n", said}, r)
		require.Contains(t, r.errs, "line 13, account number: refused: digits is no number of 1 to 100\n")
		require.Regexp(t, `\ngatehouse: 10 lines refused: [^\n]*\n$`, r.errs)
		require.Equal(t, lineOutcomes(), p.rows("report.csv"))
		log, err := os.ReadFile(p.log)
		require.NoError(t, err)
		require.Equal(t, 6, strings.Count(string(log), `"kind":"account.imported"`), "%s", log)

		require.True(t, p.signsIn("ada", codeNow(t, longSecret, totp.SHA1, 6)))
		require.True(t, p.signsIn("ada", "f7a2k-9xq0m"))
		require.True(t, p.signsIn("it's\nme", "mnopqrstuv"))
		require.True(t, p.signsIn("hex", codeNow(t, longSecret, totp.SHA256, 8)))
		require.True(t, p.signsIn("hex", "12345678901234"))
		require.True(t, p.signsIn("two", codeNow(t, otherSecret, totp.SHA1, 6)))
		require.True(t, p.signsIn("six", "guessguess"))
		require.False(t, p.signsIn("six", "123456"))
		require.Contains(t, p.ok("status", "ada"), "Phone, old")
		require.Contains(t, p.ok("status", "ada"), "by ada, because: moved")

		// Again: nothing is there twice, and what was used stays used. Now the others are closed.
		before := p.stored()
		again := and("-close", "codes.csv", "-code-life", "48h", "-json")
		dry := p.run(append(again, "-dry-run")...)
		require.Equal(t, before, p.stored())
		require.NoFileExists(t, filepath.Join(p.dir, "codes.csv"))
		r = p.run(again...)
		require.Equal(t, strings.Replace(dry.out, `"dry_run":true`, `"dry_run":false`, 1), r.out)
		require.JSONEq(t, `{"lines":17,"imported":0,"weak":0,"partly":1,"there":6,"closed":3,"refused":7,"after":20,"complete":true,"dry_run":false}`, r.out)
		require.Equal(t, 1, r.code)
		require.Subset(t, p.stored(), before)
		require.False(t, p.signsIn("ada", "f7a2k-9xq0m"), "it was used")
		codes := map[string]string{}
		for _, row := range p.rows("codes.csv") {
			codes[row[0]] = row[1]
			expires, err := time.Parse(time.RFC3339, row[2])
			require.NoError(t, err)
			require.WithinDuration(t, time.Now().Add(48*time.Hour), expires, time.Hour)
		}
		require.Len(t, codes, 3)
		for _, account := range []string{"slow", "md5", "sms"} {
			require.NoError(t, (&owner{svc: p.service(p.keys, 0), id: account}).redeem(codes[account]))
		}
		p.run(again...)
		require.Len(t, p.rows("codes.csv"), 3, "they are shown once")
		require.Equal(t, []string{"11", "slow", "closed", "bad_period", "", "it was closed before; if its code is lost, reset it"}, p.rows("report.csv")[7])

		// From standard input, after a line, and with what was closed repaired.
		r = p.feed("secret,account\n"+longSecret+",ada\n"+longSecret+",sms\n", "import", "-", "-after", "2", "-keys", "gatehouse.keys")
		require.Equal(t, ran{0, "1 line seen, 1 imported (0 weak), 0 partly, 0 there already, 0 closed, 0 refused\n", ""}, r)
		p.ok("suspend", "ada")
		r = p.feed("account,secret\nada,"+otherSecret+"\n", "import", "-", "-keys", "gatehouse.keys")
		require.Equal(t, 1, r.code)
		require.Contains(t, r.errs, "line 2, account ada: refused: not possible in the account's state")

		for _, secret := range append([]string{longSecret, otherSecret, shortSecret, "ABCDEFGH", "3132333435", "123456 ", "guessguess", "$2a$", "mnop"}, codes["slow"], codes["sms"]) {
			require.NotContains(t, strings.ToUpper(p.said.String()), strings.ToUpper(secret))
			report, err := os.ReadFile(filepath.Join(p.dir, "report.csv"))
			require.NoError(t, err)
			require.NotContains(t, strings.ToUpper(string(report)), strings.ToUpper(secret))
		}
	})
}

// A record or a secret that cannot be read is its account's alone.
func TestImportPassesOver(t *testing.T) {
	p := onSQLite(t)
	require.NoError(t, p.store.Migrate(t.Context()))
	file := p.file("users.csv", "account,secret\na,"+longSecret+"\nb,"+longSecret+"\nc,"+longSecret+"\n")
	p.ok("import", file, "-keys", p.keysFile(p.keys))
	_, err := p.db.Exec("UPDATE gatehouse_accounts SET data = x'00' WHERE id = 'b'")
	require.NoError(t, err)
	_, err = p.db.Exec("UPDATE gatehouse_accounts SET data = (SELECT data FROM gatehouse_accounts WHERE id = 'a') WHERE id = 'c'")
	require.NoError(t, err)
	r := p.run("import", p.file("more.csv", "account,secret\nc,"+otherSecret+"\nd,"+otherSecret+"\n"), "-keys", "gatehouse.keys", "-event-log", "/dev/full")
	require.Equal(t, 1, r.code)
	require.Equal(t, "2 lines seen, 1 imported (0 weak), 0 partly, 0 there already, 0 closed, 1 refused\n", r.out)
	require.Regexp(t, `line 2, account c: refused: open secret: keyring: cannot open`, r.errs)
	require.Contains(t, r.errs, "the event log could not be written")
	require.NoError(t, p.store.DeleteAccount(t.Context(), "d"))

	p.keysFile(keyring.Generate())
	r = p.run("import", p.file("more.csv", "account,secret\na,"+otherSecret+"\nb,"+otherSecret+"\nd,"+otherSecret+"\n"), "-keys", "gatehouse.keys")
	require.Equal(t, 1, r.code, "%+v", r)
	require.Equal(t, "3 lines seen, 1 imported (0 weak), 0 partly, 0 there already, 0 closed, 2 refused\n", r.out)
	require.Regexp(t, `line 2, account a: refused: .*unknown key`, r.errs)
	require.Regexp(t, `line 3, account b: refused: stored record cannot be read`, r.errs)

	// A database that fails ends it, and says where to go on.
	_, err = p.db.Exec("ALTER TABLE gatehouse_accounts RENAME TO away; CREATE VIEW gatehouse_accounts AS SELECT * FROM away")
	require.NoError(t, err)
	r = p.run("import", p.file("more.csv", "account,secret\nd,"+otherSecret+"\ne,"+otherSecret+"\n"), "-keys", "gatehouse.keys", "-after", "2")
	require.Equal(t, 1, r.code)
	require.Regexp(t, `after 0 lines; go on with: gatehouse import more.csv -keys gatehouse.keys -after 2\n$`, r.errs)
}

func TestImportRefuses(t *testing.T) {
	p := onSQLite(t)
	require.NoError(t, p.store.Migrate(t.Context()))
	keys := p.keysFile(p.keys)
	const head = "account,secret\n"
	good := head + "ada," + longSecret + "\n"
	for name, c := range map[string]struct{ text, says string }{
		"empty":               {"", "does not begin with a header line: EOF"},
		"no account":          {"secret\n" + longSecret + "\n", "no column account"},
		"semicolons":          {"account;secret\n", "unknown column \"account;secret\""},
		"a slip":              {"account,secret,laststep\n", "unknown column \"laststep\"; columns, with commas between, are account, secret, "},
		"twice":               {"account,secret,Secret\n", "the column secret twice"},
		"UTF-16":              {"\xff\xfea\x00c\x00", "unknown column"},
		"a header of 1 MiB":   {strings.Repeat("x", 1<<20), "a line is longer than 65536 bytes"},
		"a quote in a header": {"account,\"secret\nada", "does not begin with a header line"},
	} {
		r := p.run("import", p.file("bad.csv", c.text), "-keys", keys)
		require.Equal(t, 1, r.code, name)
		require.Empty(t, r.out, name)
		require.Contains(t, r.errs, c.says, name)
		require.NotContains(t, r.errs, "go on with", name)
	}

	// A quote that is not closed must not take the rest of the file with it in silence.
	file := p.file("quote.csv", good+"b,\"\n"+strings.Repeat("c,"+otherSecret+"\n", 3000))
	r := p.run("import", file, "-keys", keys)
	require.Equal(t, 1, r.code)
	require.Regexp(t, `^gatehouse: a line is longer than 65536 bytes: is its closing quote missing\? after 1 line; go on with: gatehouse import quote.csv .* -after 2\n$`, r.errs)
	require.Len(t, p.stored(), 1)
	r = p.run("import", p.file("quote.csv", good+"b,\""+otherSecret+"\nc,\""+otherSecret+"\nd,\"x\ne,y\nf,z\n"), "-keys", keys)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errs, "lines 3 to 4: refused: extraneous or missing \" in quoted-field\n")
	require.Contains(t, r.errs, "lines 5 to 7: refused: ")

	for line, why := range map[string]string{
		"e,0,,":      "digits is no number of 1 to 100",
		"e,,86401,":  "period is no number of 1 to 86400",
		"e,,,73":     "recovery_digits is no number of 0 to 72",
		"e,6.0,,":    "digits is no number",
		",6,,":       "the account is not 1 to 255 bytes of UTF-8",
		"\xff,6,,":   "the account is not 1 to 255 bytes of UTF-8",
		"e\x00,6,,":  "the account is not 1 to 255 bytes of UTF-8",
		"e,6,,,five": "5 fields, and the header has 4",
	} {
		r := p.run("import", p.file("line.csv", "account,digits,period,recovery_digits\n"+line+"\n"), "-keys", keys)
		require.Equal(t, 1, r.code, "%q", line)
		require.Contains(t, r.errs, why)
	}
	r = p.run("import", p.file("many.csv", "account,secret,recovery_codes\nmany,"+longSecret+","+strings.Repeat("guessguess ", 101)+"\nmany,"+longSecret+",guessguess\n"), "-keys", keys)
	require.Equal(t, "2 lines seen, 1 imported (0 weak), 0 partly, 0 there already, 0 closed, 1 refused\n", r.out)
	require.Contains(t, r.errs, "line 2, account many: refused: more than 100 recovery codes\n")

	require.Equal(t, "gatehouse: there is no file nowhere\n", p.run("import", "nowhere", "-keys", keys).errs)
	require.Contains(t, p.run("import", ".", "-keys", keys).errs, ".: not a regular file\n")
	for _, args := range [][]string{{}, {"a", "b"}, {"a", "-code-life", "2h"}, {"a", "-close", "c", "-code-life", "1m"}, {"a", "-close", "c", "-code-life", "1y"}, {"a", "-after", "x"}} {
		require.Equal(t, 2, p.run(append([]string{"import"}, args...)...).code, "%v", args)
	}
	p.file("good.csv", good)
	require.Equal(t, 2, p.run("import", "good.csv").code, "without keys")
	require.Equal(t, 2, p.run("import", "good.csv", "-keys", keys, "-operator", "").code)

	// Nobody else may read what is read, nor what is written.
	for _, mode := range []os.FileMode{0o644, 0o640, 0o660, 0o602} {
		require.NoError(t, os.Chmod(filepath.Join(p.dir, "good.csv"), mode))
		r := p.run("import", "good.csv", "-keys", keys)
		require.Equal(t, 1, r.code)
		require.Contains(t, r.errs, "good.csv: mode 0")
		r = p.shell("gatehouse import - -keys " + keys + " < good.csv")
		require.Equal(t, 1, r.code)
		require.Contains(t, r.errs, "standard input: mode 0")
	}
	require.NoError(t, os.Chmod(filepath.Join(p.dir, "good.csv"), 0o600))
	require.Zero(t, p.shell("gatehouse import - -keys "+keys+" < good.csv").code)
	require.NoError(t, os.WriteFile(filepath.Join(p.dir, "open.csv"), []byte("mine"), 0o644))
	for _, flag := range []string{"-close", "-report"} {
		r := p.run("import", "good.csv", "-keys", keys, flag, "open.csv")
		require.Equal(t, 1, r.code)
		require.Contains(t, r.errs, flag+": open.csv: mode 0644")
		require.Contains(t, p.run("import", "good.csv", "-keys", keys, flag, "no/where").errs, flag+": cannot write no/where")
		require.Contains(t, p.run("import", "good.csv", "-keys", keys, flag, "/dev/full").errs, flag+": /dev/full: not a regular file")
	}
	for _, args := range [][]string{{"-report", "good.csv"}, {"-close", "good.csv"}, {"-report", "new.csv", "-close", "new.csv"}} {
		r := p.run(append([]string{"import", "good.csv", "-keys", keys}, args...)...)
		require.Equal(t, 1, r.code)
		require.Regexp(t, `(good|new)\.csv: another file, which is left as it is\n$`, r.errs)
	}
	for name, want := range map[string]string{"open.csv": "mine", "good.csv": good} {
		text, err := os.ReadFile(filepath.Join(p.dir, name))
		require.NoError(t, err)
		require.Equal(t, want, string(text))
	}
}

// The code of an account that was closed is lost where the disk is full, and that is said at once.
func TestImportCodeLost(t *testing.T) {
	p := onPostgres(t)
	require.NoError(t, p.store.Migrate(t.Context()))
	p.file("users.csv", "account\na\nb\n")
	p.file("codes.csv", "account,code,expires\n"+strings.Repeat("x", 1000))
	r := p.shell("ulimit -f 1; gatehouse import users.csv -close codes.csv -keys " + p.keysFile(p.keys))
	require.Equal(t, 1, r.code)
	require.Regexp(t, `^gatehouse: the code of the account a, which is closed now, could not be written and is lost .* after 0 lines; go on with: .*\n$`, r.errs)
	require.Len(t, p.stored(), 1)
	require.Zero(t, p.run("reset", "a", "-reason", "lost").code)
}

// An import that waits for its input can be interrupted.
func TestImportWaits(t *testing.T) {
	p := onSQLite(t)
	require.NoError(t, p.store.Migrate(t.Context()))
	cmd := p.command("import", "-", "-keys", p.keysFile(p.keys), "-report", "report.csv")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	require.NoError(t, cmd.Start())
	_, err = io.WriteString(in, "account,secret\na,"+longSecret+"\nb,"+longSecret+"\nc,"+longSecret+"\n")
	require.NoError(t, err)
	require.Eventually(t, func() bool { // the last line waits for one of its account that may follow
		report, _ := os.ReadFile(filepath.Join(p.dir, "report.csv"))
		return strings.Contains(string(report), "\n3,b,imported")
	}, time.Minute, time.Millisecond)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.Error(t, cmd.Wait())
	require.Equal(t, 1, cmd.ProcessState.ExitCode())
	require.Equal(t, "gatehouse: interrupted after 2 lines; go on with: gatehouse import - -keys "+filepath.Join(p.dir, "gatehouse.keys")+
		" -report report.csv -after 3, with the same input\n", errs.String())
}

// On a terminal there is a bar, which is gone at the end and where a line is refused.
func TestImportOnTerminal(t *testing.T) {
	p := onSQLite(t)
	require.NoError(t, p.store.Migrate(t.Context()))
	keys := p.keysFile(p.keys)
	var text strings.Builder
	text.WriteString("account,secret\n")
	for i := range 40 {
		fmt.Fprintf(&text, "user-%d,%s\n", i, longSecret)
	}
	cmd := p.command("import", p.file("users.csv", text.String()+"bad,\n"), "-keys", keys)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 100})
	require.NoError(t, err)
	defer tty.Close()
	out, _ := io.ReadAll(tty)
	require.Error(t, cmd.Wait())
	require.Contains(t, string(out), " lines (1/-)")
	require.Contains(t, string(out), "\rline 42, account bad: refused: ")
	require.Contains(t, string(out), "\r41 lines seen, 40 imported ")
}

// Interrupted in its middle, an import goes on where it has ended, and its report is one.
func TestImportInterrupted(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		var text strings.Builder
		text.WriteString("account,secret\n")
		for i := range many {
			fmt.Fprintf(&text, "it's %04d,%s\n", i, longSecret)
		}
		file, keys := p.file("it's users.csv", text.String()), p.keysFile(p.keys)
		done, next := p.interrupted("import", file, "-keys", keys, "-report", "report.csv")
		r := p.shell(next)
		require.Zero(t, r.code, "%s: %s", next, r.errs)
		require.Contains(t, r.out, fmt.Sprintf("%d lines seen, %d imported ", many-done, many-done))
		rows := p.rows("report.csv")
		require.Len(t, rows, many)
		for i, row := range rows {
			require.Equal(t, []string{fmt.Sprint(i + 2), fmt.Sprintf("it's %04d", i), "imported"}, row[:3])
		}
		require.Contains(t, p.ok("import", file, "-keys", keys), " 2000 there already, ")
	})
}

func TestEndAccount(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		o := p.enroll("user-42")
		challenge, err := o.challenge()
		require.NoError(t, err)
		text, _ := o.mint(t, "ci")
		works := func() bool { _, err := o.svc.tokens.Check(t.Context(), text, netip.Addr{}); return err == nil }
		require.Equal(t, "ended what the old password of user-42 has led to\n", p.ok("password-changed", "user-42", "-reason", "ticket 4711"))
		_, err = o.svc.Answer(t.Context(), gatehouse.Session{}, challenge, o.app.Code(time.Now()))
		require.ErrorIs(t, err, gatehouse.ErrDenied)
		require.True(t, works())
		require.Equal(t, doc{"account": "user-42", "changed": true}, document[doc](p, "password-changed", "user-42", "-revoke-tokens"))
		require.False(t, works())
		require.Contains(t, p.ok("status", "user-42"), "by ada, because: ticket 4711")
		r := p.run("password-changed", "user-43")
		require.Zero(t, r.code)
		require.Contains(t, r.errs, "is the ID right?")

		require.Equal(t, ran{1, "", "gatehouse: nothing is stored of an account user-44\n"}, p.run("delete", "user-44", "-yes"))
		r = p.feed("yes\n", "delete", "user-42")
		require.Equal(t, ran{2, "", "gatehouse: delete asks on a terminal: give -yes to go on without (see gatehouse delete --help)\n"}, r)
		on := func(typed string) (string, int) {
			cmd := p.command("delete", "user-42", "-event-log", p.log, "-reason", "closed")
			tty, err := pty.Start(cmd)
			require.NoError(t, err)
			defer tty.Close()
			prompt := make([]byte, len("delete all that is stored of user-42? This cannot be undone. Type yes: "))
			_, err = io.ReadFull(tty, prompt)
			require.NoError(t, err)
			_, err = io.WriteString(tty, typed)
			require.NoError(t, err)
			out, _ := io.ReadAll(tty) // EIO when the other side is closed
			_ = cmd.Wait()
			return string(out), cmd.ProcessState.ExitCode()
		}
		for typed, says := range map[string]string{"no\n": "nothing was done", "\n": "nothing was done", "user-42\n": "nothing was done", "\x04": "nothing was done", "\x03": "interrupted"} {
			out, code := on(typed)
			require.Equal(t, 1, code, "%q", typed)
			require.Contains(t, out, says, "%q", typed)
		}
		log, err := os.ReadFile(p.log)
		require.NoError(t, err)
		require.Empty(t, log)
		require.NoError(t, o.signIn(o.app.Code(time.Now())))
		out, code := on("yes\n")
		require.Zero(t, code, out)
		require.Contains(t, out, "deleted user-42\r\n")
		require.Equal(t, doc{"account": "user-43", "changed": true}, document[doc](p, "delete", "user-43", "-yes"))
		for _, id := range []string{"user-42", "user-43"} {
			require.Equal(t, ran{1, "", "gatehouse: the account " + id + " was deleted\n"}, p.run("status", id))
			require.Equal(t, ran{1, "", "gatehouse: the account " + id + " was deleted\n"}, p.run("delete", id, "-yes"))
		}
		log, err = os.ReadFile(p.log)
		require.NoError(t, err)
		require.Contains(t, string(log), `"kind":"account.deleted","account":"user-42"`)
		require.Contains(t, string(log), `"operator":"ada","reason":"closed"`)
	})
}

// The queries of docs/migrate.md give files that import takes.
func TestMigrationQueries(t *testing.T) {
	p := onPostgres(t)
	require.NoError(t, p.store.Migrate(t.Context()))
	text, err := os.ReadFile("../../docs/migrate.md")
	require.NoError(t, err)
	copied := regexp.MustCompile(`(?s)COPY \((.*?)\) TO STDOUT`).FindSubmatch(text)
	django := regexp.MustCompile("(?s)```sql\n(.*?)```").FindSubmatch(text)
	require.NotNil(t, copied)
	require.NotNil(t, django)
	for _, statement := range []string{
		"CREATE TABLE users (id text, totp_secret text, recovery_codes text)",
		"INSERT INTO users VALUES ('u1', '" + longSecret + "', '" + bcryptHash + "," + bcryptHash + "x'), ('u2', NULL, NULL)",
		"CREATE TABLE otp_totp_totpdevice (id int, user_id int, name text, confirmed bool, key text, step smallint, t0 bigint, digits smallint, tolerance smallint, drift smallint, last_t bigint)",
		"CREATE TABLE otp_static_staticdevice (id int, user_id int, name text, confirmed bool)",
		"CREATE TABLE otp_static_statictoken (id int, device_id int, token text)",
		`INSERT INTO otp_totp_totpdevice VALUES (1, 7, 'default', true, '3132333435363738393031323334353637383930', 30, 0, 6, 1, 0, 57000000),
			(2, 7, 'pending', false, '4132333435363738393031323334353637383930', 30, 0, 6, 1, 0, -1), (3, 8, 'old', true, '3132', 30, 0, 6, 1, 0, -1),
			(4, 7, 'second', true, '5132333435363738393031323334353637383930', 30, 0, 6, 1, 0, -1)`,
		"INSERT INTO otp_static_staticdevice VALUES (1, 7, 'backup', true), (2, 7, 'pending', false)",
		"INSERT INTO otp_static_statictoken VALUES (1, 1, 'abzq5mwk'), (2, 1, 'k2dd7hva'), (3, 2, 'q5n3rt6s')",
	} {
		_, err := p.db.Exec(statement)
		require.NoError(t, err, statement)
	}
	export := func(query string) string {
		rows, err := p.db.Query(query)
		require.NoError(t, err)
		defer rows.Close()
		columns, err := rows.Columns()
		require.NoError(t, err)
		var out strings.Builder
		w := csv.NewWriter(&out)
		require.NoError(t, w.Write(columns))
		for rows.Next() {
			fields, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
			for i := range fields {
				into[i] = &fields[i]
			}
			require.NoError(t, rows.Scan(into...))
			record := make([]string, len(columns))
			for i := range fields {
				record[i] = fields[i].String
			}
			require.NoError(t, w.Write(record))
		}
		require.NoError(t, rows.Err())
		w.Flush()
		return out.String()
	}
	keys := p.keysFile(p.keys)
	r := p.feed(export(string(copied[1])), "import", "-", "-keys", keys, "-report", "report.csv")
	require.Zero(t, r.code, r.errs)
	require.Equal(t, [][]string{{"2", "u1", "partly", "brought", "brought:1 bad_hash:1", ""}}, p.rows("report.csv"))
	r = p.feed(export(string(django[1])), "import", "-", "-keys", keys, "-report", "report.csv", "-close", "codes.csv")
	require.Zero(t, r.code, r.errs)
	require.Equal(t, [][]string{
		{"2", "7", "imported", "brought", "brought:2", ""},
		{"3", "7", "imported", "brought", "duplicate:2", ""},
		{"4", "8", "closed", "bad_secret", "", "the secret is not 10 to 128 bytes in base32 or hexadecimal"},
	}, p.rows("report.csv"))
	require.True(t, p.signsIn("7", codeNow(t, longSecret, totp.SHA1, 6)))
	require.True(t, p.signsIn("7", "K2DD7HVA"))
	require.False(t, p.signsIn("7", "q5n3rt6s"))
}
