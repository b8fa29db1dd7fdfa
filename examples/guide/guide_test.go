// Package guide tries docs/integration.md: package before follows it and becomes package after.
package guide

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/examples/guide/after"
	"github.com/gatehouse-go/gatehouse/examples/guide/before"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/totp"
)

// browser is somebody with a browser of their own.
type browser struct {
	t      *testing.T
	client *http.Client
	url    string
}

func newBrowser(t *testing.T, server *httptest.Server) browser {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return browser{t, &http.Client{Transport: server.Client().Transport, Jar: jar}, server.URL}
}

func (b browser) post(path string, form ...string) (status int, body string) {
	b.t.Helper()
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	resp, err := b.client.PostForm(b.url+path, values)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return resp.StatusCode, string(text)
}

func (b browser) home() int {
	b.t.Helper()
	resp, err := b.client.Get(b.url + "/")
	require.NoError(b.t, err)
	resp.Body.Close()
	return resp.StatusCode
}

func TestBefore(t *testing.T) {
	server := httptest.NewTLSServer(before.New())
	defer server.Close()
	b := newBrowser(t, server)
	require.Equal(t, 401, b.home())
	status, _ := b.post("/login", "user", "ada", "password", "wrong")
	require.Equal(t, 401, status)
	b.post("/login", "user", "ada", "password", "correct horse")
	require.Equal(t, 200, b.home())
}

func TestAfter(t *testing.T) {
	svc := gatehousetest.New(t, func(c *gatehouse.Config) { c.Now = time.Now })
	server := httptest.NewTLSServer(after.New(svc.Service))
	defer server.Close()
	login := []string{"user", "ada", "password", "correct horse"}

	b := newBrowser(t, server)
	status, _ := b.post("/pair")
	require.Equal(t, 401, status)
	b.post("/login", login...)
	require.Equal(t, 200, b.home(), "without a second factor nothing has changed")
	status, page := b.post("/pair")
	require.Equal(t, 200, status)
	secret, err := totp.ParseSecret(regexp.MustCompile(`or type ([A-Z2-7]+)`).FindStringSubmatch(page)[1])
	require.NoError(t, err)
	id := regexp.MustCompile(`name="id" value="([\w-]+)"`).FindStringSubmatch(page)[1]
	codes := regexp.MustCompile(`\b\w{4}-\w{4}-\w{4}-\w{4}\b`).FindAllString(page, -1)
	require.Len(t, codes, 10)
	code := func(ahead time.Duration) string {
		code, err := totp.Key{Secret: secret}.Code(totp.Step(time.Now().Add(ahead)))
		require.NoError(t, err)
		return code
	}
	status, _ = b.post("/confirm", "id", id, "code", "wrong")
	require.Equal(t, 401, status)
	status, _ = b.post("/confirm", "id", id, "code", code(0))
	require.Equal(t, 200, status)

	b = newBrowser(t, server)
	_, text := b.post("/login", login...)
	require.Contains(t, text, "type your code")
	require.Equal(t, 401, b.home(), "the password alone")
	used := code(totp.Period)
	status, _ = b.post("/code", "code", " "+used+" ")
	require.Equal(t, 200, status)
	require.Equal(t, 200, b.home())

	other := newBrowser(t, server)
	status, _ = other.post("/code", "code", codes[0])
	require.Equal(t, 401, status, "no password")
	other.post("/login", login...)
	status, _ = other.post("/code", "code", used)
	require.Equal(t, 401, status, "replay")
	status, _ = other.post("/code", "code", codes[0])
	require.Equal(t, 200, status)

	// A session that a recovery code has begun pairs nothing beside what there is.
	status, _ = other.post("/pair")
	require.Equal(t, 401, status)

	// A new password ends the challenges that the old one led to.
	third := newBrowser(t, server)
	third.post("/login", login...)
	status, _ = b.post("/password", "password", "battery staple")
	require.Equal(t, 200, status)
	status, _ = third.post("/code", "code", codes[1])
	require.Equal(t, 401, status)

	// A store that fails lets nobody in.
	fourth := newBrowser(t, server)
	svc.Store.Inject(gatehousetest.On("LoadAccount", gatehousetest.Fail))
	status, _ = fourth.post("/login", "user", "ada", "password", "battery staple")
	require.Equal(t, 500, status)
	require.Equal(t, 401, fourth.home())
}

// Row K1: a session of the old password, which knows when that was checked, pairs no phone once the password is another.
func TestOldSessionPairsNothing(t *testing.T) {
	svc := gatehousetest.New(t, func(c *gatehouse.Config) { c.Now = time.Now })
	server := httptest.NewTLSServer(after.New(svc.Service))
	defer server.Close()
	intruder, owner := newBrowser(t, server), newBrowser(t, server)
	for _, b := range []browser{intruder, owner} {
		status, _ := b.post("/login", "user", "ada", "password", "correct horse")
		require.Equal(t, 200, status)
	}
	status, _ := owner.post("/password", "password", "battery staple")
	require.Equal(t, 200, status)
	status, _ = intruder.post("/pair")
	require.Equal(t, 401, status)
}

// Row K1: the same for a host that remembers when it has checked the password, and vouches for that later.
func TestRememberedCheckProvesNothing(t *testing.T) {
	ctx := t.Context()
	svc := gatehousetest.New(t)
	in := gatehouse.Session{Account: "ada"}
	checked := gatehouse.FirstFactor{Method: "pwd", At: svc.Now()}
	for _, wait := range []time.Duration{0, time.Minute} {
		svc.Wait(time.Millisecond)
		require.NoError(t, svc.Operator("system").PasswordChanged(ctx, in.Account, gatehouse.RevokeTokens))
		svc.Wait(time.Millisecond + wait)
		try, err := svc.Before(ctx, in.Account)
		require.NoError(t, err)
		_, err = try.Vouch(ctx, in, checked)
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired)
		_, err = try.Vouch(ctx, in, gatehouse.FirstFactor{Method: "pwd", At: svc.Now()})
		require.NoError(t, err, "the new password")
	}
}

// What the guide shows is what package after does, and the number of lines it states is right.
func TestGuideIsTrue(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(text)
	}
	doc, code, old := read("../../docs/integration.md"), read("after/service.go"), read("before/service.go")
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(doc, -1)
	require.GreaterOrEqual(t, len(blocks), 4)
	for _, block := range blocks {
		if !strings.Contains(block[1], "// elsewhere") {
			require.Contains(t, code, block[1])
		}
	}

	// Lines of after that before does not have, counted with their number of occurrences.
	had := map[string]int{}
	for line := range strings.Lines(old) {
		had[strings.TrimSpace(line)]++
	}
	written, plain := 0, 0
	for line := range strings.Lines(code) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "//") {
			continue
		}
		if had[line]--; had[line] >= 0 {
			continue
		}
		written++
		if line != "}" && line != "if err != nil {" && line != "return err" && line != "return errUnauthorized" {
			plain++
		}
	}
	t.Logf("%d lines were written, %d of them without closing braces and returned errors", written, plain)
	stated := regexp.MustCompile(`(\d+) lines, of which (\d+)`).FindStringSubmatch(doc)
	require.NotNil(t, stated)
	require.Equal(t, []int{written, plain}, []int{atoi(stated[1]), atoi(stated[2])})
}

func atoi(s string) (n int) {
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}
