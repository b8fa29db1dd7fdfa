package main

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/testneed"
	"github.com/gatehouse-go/gatehouse/totp"
)

// talk is a run of the program with pipes on both sides. Each line is sent only once the one before
// has been answered, so a program that reads or writes ahead stands still.
type talk struct {
	t    *testing.T
	in   io.WriteCloser
	out  *bufio.Reader
	exit func() int // waits for the end

	uri, secret string
	codes       []string // recovery codes
	step        int64    // of the code that confirms
}

// inProcess starts run.
func inProcess(t *testing.T, args ...string) *talk {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	exit := make(chan int, 1)
	go func() {
		status := run(args, inR, outW, io.Discard)
		_ = outW.Close()
		exit <- status
	}()
	return begin(t, inW, outR, func() int { return <-exit })
}

// asProcess builds the program and starts it.
func asProcess(t *testing.T, args ...string) *talk {
	t.Helper()
	cmd := exec.Command(build(t), args...)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return begin(t, in, out, func() int {
		_ = cmd.Wait()
		return cmd.ProcessState.ExitCode()
	})
}

func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "quickstart")
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

var recoveryCode = regexp.MustCompile(`^([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}$`)

// begin reads what the program shows before it asks for codes.
func begin(t *testing.T, in io.WriteCloser, out io.Reader, exit func() int) *talk {
	t.Helper()
	k := &talk{t: t, in: in, out: bufio.NewReader(out), exit: exit}
	picture := 0
	for {
		line := k.hear()
		switch {
		case strings.HasPrefix(line, "otpauth://"):
			require.Empty(t, k.uri, "one URI")
			k.uri = line
		case strings.HasPrefix(line, "or type the secret: "):
			k.secret = strings.TrimPrefix(line, "or type the secret: ")
		case recoveryCode.MatchString(line):
			k.codes = append(k.codes, line)
		case strings.HasPrefix(line, "\x1b["):
			picture++
		case strings.HasPrefix(line, "Type the app's code"):
			u, err := url.Parse(k.uri)
			require.NoError(t, err)
			require.Equal(t, k.secret, u.Query().Get("secret"))
			require.Len(t, k.secret, 32)
			require.Len(t, k.codes, 10)
			require.Greater(t, picture, 15)
			k.step = totp.Step(time.Now())
			return k
		}
	}
}

func (k *talk) hear() string {
	k.t.Helper()
	line, err := k.out.ReadString('\n')
	require.NoError(k.t, err)
	return strings.TrimSuffix(line, "\n")
}

func (k *talk) send(text string) {
	k.t.Helper()
	_, err := io.WriteString(k.in, text)
	require.NoError(k.t, err)
}

// say sends a line and returns the answer.
func (k *talk) say(line string) string {
	k.t.Helper()
	k.send(line + "\n")
	return k.hear()
}

// end closes the input, and returns what is said after that with the exit status.
func (k *talk) end() (rest string, status int) {
	k.t.Helper()
	require.NoError(k.t, k.in.Close())
	out, err := io.ReadAll(k.out)
	require.NoError(k.t, err)
	return string(out), k.exit()
}

func (k *talk) endsWell() {
	k.t.Helper()
	rest, status := k.end()
	require.Empty(k.t, rest)
	require.Zero(k.t, status)
}

// code returns the authenticator app's code, as Debian's oathtool has it. The first one used is that
// of step 0, the time at which the program began to ask. The next is the code of 30 seconds later,
// which a window of one step takes also at once; and both are still taken if a step ends meanwhile.
func (k *talk) code(ahead int64) string {
	k.t.Helper()
	oathtool := testneed.Program(k.t, "oathtool", "oathtool")
	u, err := url.Parse(k.uri)
	require.NoError(k.t, err)
	q := u.Query()
	out, err := exec.Command(oathtool, "--base32", "--totp="+strings.ToLower(q.Get("algorithm")),
		"--digits="+q.Get("digits"), fmt.Sprintf("--now=@%d", (k.step+ahead)*30), k.secret).Output()
	require.NoError(k.t, err)
	return strings.TrimSpace(string(out))
}

// wrong is of the other length, so it is no code of an app with six digits, and yet a guess.
const wrong = "00000000"

const (
	used   = "denied, that code was used: wait for the next one"
	noCode = "denied, that is no code: type the digits that the app shows, or a recovery code"
)

func TestSignIn(t *testing.T) {
	for name, start := range map[string]func(*testing.T, ...string) *talk{"run": inProcess, "process": asProcess} {
		t.Run(name, func(t *testing.T) {
			k := start(t)
			require.Contains(t, k.uri, "otpauth://totp/Acme:ada%40acme.test?")
			require.Equal(t, "denied, that is wrong: the app shows 6 digits", k.say(wrong), "confirming")
			require.Regexp(t, "^denied, that is wrong: type what the app shows now; .*clock", k.say(k.code(20)))
			for _, none := range []string{k.codes[0], "", "letters", "12345"} { // recovery codes work after the confirmation
				require.Equal(t, "denied, that is no code of the app: type the digits that it shows", k.say(none))
			}
			require.Equal(t, "ok confirmed, from now on a code is needed to sign in", k.say(k.code(0)))
			require.Equal(t, used, k.say(k.code(0)), "the confirming code is used up")
			require.Equal(t, "ok totp, 10 recovery codes left", k.say(k.code(1)))
			require.Equal(t, used, k.say(k.code(1)), "replay")
			require.Regexp(t, "^ok recovery.code, 9 recovery codes left$", k.say(k.codes[3]))
			require.Equal(t, "denied, that recovery code was used: each works once", k.say(k.codes[3]))
			last := k.codes[5][len(k.codes[5])-1:]
			other := map[bool]string{true: "2", false: "1"}[last == "1"]
			require.Equal(t, "denied, that is none of the recovery codes", k.say(strings.TrimSuffix(k.codes[5], last)+other))
			require.Regexp(t, "^denied, that is wrong: type what the app shows now; .*clock", k.say(k.code(20)))
			for _, none := range []string{"", "letters", "12345", "١٢٣٤٥٦"} {
				require.Equal(t, noCode, k.say(none))
			}
			require.Regexp(t, "^ok recovery.code, 8 recovery codes left$", k.say(strings.ToLower(strings.ReplaceAll(k.codes[4], "-", ""))))
			k.endsWell()
		})
	}
}

func TestFlags(t *testing.T) {
	for _, c := range []struct{ algorithm, digits string }{
		{"SHA256", "8"}, {"sha512", "6"},
	} {
		t.Run(c.algorithm+" "+c.digits, func(t *testing.T) {
			k := inProcess(t, "-account", "grace", "-issuer", "Ünïcode & Co", "-algorithm", c.algorithm, "-digits="+c.digits)
			u, err := url.Parse(k.uri)
			require.NoError(t, err)
			require.Equal(t, "/Ünïcode & Co:grace", u.Path)
			require.Equal(t, strings.ToUpper(c.algorithm), u.Query().Get("algorithm"))
			require.Equal(t, c.digits, u.Query().Get("digits"))
			require.Len(t, k.code(0), int(c.digits[0]-'0'))
			require.Regexp(t, "^ok confirmed", k.say(k.code(0)))
			require.Equal(t, used, k.say(k.code(0)))
			require.Equal(t, "ok totp, 10 recovery codes left", k.say(k.code(1)))
			k.endsWell()
		})
	}
}

func TestLock(t *testing.T) {
	k := inProcess(t)
	require.Regexp(t, "^ok confirmed", k.say(k.code(0)))
	for range 5 {
		require.Equal(t, "denied, that is wrong: the app shows 6 digits", k.say(wrong))
	}
	locked := k.say(wrong)
	at, isLocked := strings.CutPrefix(locked, "denied, too many wrong codes: retry at ")
	require.True(t, isLocked, locked)
	retry, err := time.Parse(time.RFC3339, at)
	require.NoError(t, err)
	require.True(t, retry.After(time.Now()))
	require.Equal(t, locked, k.say(k.code(1)), "right and wrong codes are answered the same")
	require.Equal(t, locked, k.say(wrong))
	require.Regexp(t, "^ok recovery.code, 9 ", k.say(k.codes[0]), "recovery has a count of its own")
	k.endsWell()
}

func TestPairingEndsAfterTenWrongCodes(t *testing.T) {
	k := inProcess(t)
	for range 10 {
		require.Equal(t, "denied, that is wrong: the app shows 6 digits", k.say(wrong))
	}
	for range 2 {
		require.Regexp(t, "^denied, .*start again$", k.say(k.code(0)))
	}
	k.endsWell()
}

func TestLines(t *testing.T) {
	k := inProcess(t)
	k.send(k.code(0) + "\r\n")
	require.Regexp(t, "^ok confirmed", k.hear(), "CRLF")
	require.Equal(t, noCode, k.say(""), "each line is answered")
	for _, garbage := range []string{
		strings.Repeat("1", 1<<20), strings.Repeat(k.code(1), 1000), "\x00", "\xff\xfe", "١٢٣٤٥٦", "+" + k.code(1)[1:], "12 34 56",
	} {
		require.Equal(t, noCode, k.say(garbage))
	}
	require.Equal(t, "ok totp, 10 recovery codes left", k.say(" \t"+k.code(1)+" "), "spaces around a code; what is no code was no guess")

	k.send(k.codes[0])
	rest, status := k.end()
	require.Regexp(t, "^ok recovery.code, 9 recovery codes left\n$", rest, "no line end before the end of input")
	require.Zero(t, status)
}

// A line that fills the reader's buffer just where the input ends is a line too.
func TestLastLineFillsTheBuffer(t *testing.T) {
	for _, n := range []int{1, 4095, 4096, 4097, 8192, 1 << 20} {
		r := bufio.NewReader(strings.NewReader(strings.Repeat("1", n)))
		line, err := readLine(r)
		require.NoError(t, err, n)
		if n < 4096 {
			require.Len(t, line, n)
		} else {
			require.Empty(t, line, n)
		}
		_, err = readLine(r)
		require.Equal(t, io.EOF, err, n)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"-unknown"}, {"-digits", "7"}, {"-digits", "0"}, {"-digits", "-6"}, {"-digits", "six"}, {"-digits"},
		{"-algorithm", "md5"}, {"-algorithm", ""}, {"-issuer", "a:b"}, {"-issuer", ""}, {"-issuer", strings.Repeat("a", 101)},
		{"-account", "a:b"}, {"-account", ""}, {"-account", "\xff"}, {"-account", strings.Repeat("a", 1<<20)}, {"stray"}, {"-digits", "8", "stray"},
	} {
		var out, errs strings.Builder
		require.Equal(t, 2, run(args, strings.NewReader("123456\n"), &out, &errs), "%.40q", args)
		require.Empty(t, out.String(), "%.40q", args)
		require.Contains(t, errs.String(), "Usage of quickstart:", "%.40q", args)
	}

	var out, errs strings.Builder
	require.Zero(t, run([]string{"-h"}, strings.NewReader(""), &out, &errs))
	require.Contains(t, errs.String(), "-algorithm")

	cmd := exec.Command(build(t), "-algorithm", "md5")
	require.Error(t, cmd.Run())
	require.Equal(t, 2, cmd.ProcessState.ExitCode())
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, os.ErrPermission }

func TestInputFails(t *testing.T) {
	var errs strings.Builder
	require.Equal(t, 1, run(nil, failing{}, io.Discard, &errs))
	require.Contains(t, errs.String(), "permission")
}

func TestAnswer(t *testing.T) {
	for want, err := range map[string]error{
		"ok\n":             nil,
		"denied, advice\n": &gatehouse.DeniedError{},
		"denied, too many wrong codes: retry at 2026-03-01T12:00:00Z\n":      &gatehouse.DeniedError{RetryAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)},
		"denied, too many wrong codes: use a recovery code\n":                &gatehouse.DeniedError{Disabled: true},
		"denied, the pairing took too long or too many codes: start again\n": gatehouse.ErrStepUpRequired,
	} {
		var out strings.Builder
		require.NoError(t, (&demo{out: &out}).answer("ok", "advice", err))
		require.Equal(t, want, out.String())
	}
	var out strings.Builder
	require.ErrorIs(t, (&demo{out: &out}).answer("ok", "advice", io.ErrUnexpectedEOF), io.ErrUnexpectedEOF, "a fault")
	require.Empty(t, out.String())
}

func TestDB(t *testing.T) {
	file := filepath.Join(t.TempDir(), "odd ?#%name.db")
	k := asProcess(t, "-db", file)
	require.Regexp(t, "^ok confirmed", k.say(k.code(0)))
	k.endsWell()
	info, err := os.Stat(file + ".keys")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	var out, errs strings.Builder
	codes := strings.Join([]string{k.code(0), k.code(1), k.codes[0], k.codes[0]}, "\n")
	require.Zero(t, run([]string{"-db", file}, strings.NewReader(codes), &out, &errs), errs.String())
	require.Equal(t, "ada@acme.test has an authenticator: type its codes to sign in:\n"+
		used+"\nok totp, 10 recovery codes left\nok recovery_code, 9 recovery codes left\n"+
		"denied, that recovery code was used: each works once\n", out.String())

	// Without its keys, nobody gets in.
	require.NoError(t, os.Remove(file+".keys"))
	out.Reset()
	require.Equal(t, 1, run([]string{"-db", file}, strings.NewReader(k.code(1)), &out, &errs))
	require.NotContains(t, out.String(), "ok")

	for _, file := range []string{t.TempDir(), filepath.Join(t.TempDir(), "no/such/folder.db")} {
		errs.Reset()
		require.Equal(t, 1, run([]string{"-db", file}, strings.NewReader(""), io.Discard, &errs))
		require.Contains(t, errs.String(), "quickstart: ")
	}
}

// The first programs that somebody runs start within a minute from empty caches, on two cores. A SQL driver would be most
// of what there is to compile.
func TestFirstProgramsCompileFast(t *testing.T) {
	heavy := regexp.MustCompile(`(?m)^(github\.com/ncruces|modernc\.org|github\.com/mattn|github\.com/jackc|github\.com/go-sql-driver)/.*$`)
	for _, program := range []string{"../quickstart", "../minimal"} {
		if _, err := os.Stat(program); err != nil {
			continue
		}
		out, err := exec.Command("go", "list", "-deps", program).Output()
		require.NoError(t, err)
		require.Contains(t, string(out), "github.com/gatehouse-go/gatehouse\n", "the list is one of packages")
		require.Empty(t, heavy.FindAllString(string(out), -1), program)
	}
	require.NotEmpty(t, heavy.FindString("crypto\ngithub.com/ncruces/go-sqlite3/driver\nfmt"))
}
