// Package guide tries docs/integration.md: package before follows it and becomes package after.
package guide

import (
	"html"
	"io"
	"maps"
	"net/http"
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
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/totp"
)

const (
	right = "correct horse"
	page  = "/settings/security"
)

// browser is somebody with a browser of their own, which keeps its cookies here, so that they can be left out and put
// back.
type browser struct {
	t       *testing.T
	client  *http.Client
	url     string
	cookies map[string]string
}

func newBrowser(t *testing.T, server *httptest.Server) *browser {
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{t, client, server.URL, map[string]string{}}
}

// stubborn returns a copy that goes on with the cookies of now but some.
func (b *browser) stubborn(without ...string) *browser {
	c := *b
	c.cookies = maps.Clone(b.cookies)
	for _, name := range without {
		delete(c.cookies, name)
	}
	return &c
}

type answer struct {
	status   int
	body, to string
}

func (b *browser) do(method, path string, form url.Values) answer {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html")
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := b.client.Do(r)
	require.NoError(b.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	for _, c := range res.Cookies() {
		if b.cookies[c.Name] = c.Value; c.Value == "" {
			delete(b.cookies, c.Name)
		}
	}
	return answer{res.StatusCode, string(body), res.Header.Get("Location")}
}

func (b *browser) get(path string) answer { b.t.Helper(); return b.do(http.MethodGet, path, nil) }

func (b *browser) post(path string, form ...string) answer {
	b.t.Helper()
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	return b.do(http.MethodPost, path, values)
}

var (
	forms  = regexp.MustCompile(`(?s)<form[^>]* action="([^"]*)"[^>]*>(.*?)</form>`)
	fields = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
)

// submit fills in a form of a page.
func (b *browser) submit(shown answer, to string, form ...string) answer {
	b.t.Helper()
	for _, m := range forms.FindAllStringSubmatch(shown.body, -1) {
		if html.UnescapeString(m[1]) != to {
			continue
		}
		for _, f := range fields.FindAllStringSubmatch(m[2], -1) {
			form = append([]string{f[1], html.UnescapeString(f[2])}, form...)
		}
		return b.post(to, form...)
	}
	require.Fail(b.t, "no form", "for %s: %s", to, shown.body)
	return answer{}
}

func (b *browser) home() int { b.t.Helper(); return b.get("/").status }

func (b *browser) login() answer {
	b.t.Helper()
	return b.post("/login", "user", "ada", "password", right)
}

func TestBefore(t *testing.T) {
	handler, err := before.New()
	require.NoError(t, err)
	server := httptest.NewTLSServer(handler)
	defer server.Close()
	b := newBrowser(t, server)
	require.Equal(t, 401, b.home())
	require.Equal(t, 401, b.post("/login", "user", "ada", "password", "wrong").status)
	b.login()
	require.Equal(t, 200, b.home())
	require.Equal(t, 303, b.post("/deploy").status)
	b.post("/logout")
	require.Equal(t, 401, b.home())
}

// serve returns package after as a server.
func serve(t *testing.T) (*gatehousetest.Service, *httptest.Server) {
	t.Helper()
	svc := gatehousetest.New(t)
	model, err := posture.NewModel(posture.ModelConfig{})
	require.NoError(t, err)
	gates, err := posture.NewPolicy(model, posture.Gate{Action: "deploy.public", Controls: []string{posture.SecondFactor}})
	require.NoError(t, err)
	pos, err := posture.New(svc.Service, posture.Config{Policy: gates})
	require.NoError(t, err)
	handler, err := after.New(svc.Service, pos)
	require.NoError(t, err)
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	return svc, server
}

func TestAfter(t *testing.T) {
	svc, server := serve(t)
	b := newBrowser(t, server)
	require.Equal(t, "/login?next=%2Fsettings%2Fsecurity%2F", b.get(page+"/").to)
	require.Equal(t, "/", b.login().to)
	require.Equal(t, 200, b.home(), "without a second factor nothing has changed")
	require.Equal(t, 403, b.post("/deploy").status, "but for what asks for one")

	shown := b.submit(b.get(page+"/pair"), page+"/pair", "name", "Phone")
	secret, err := totp.ParseSecret(strings.ReplaceAll(regexp.MustCompile(`<code id="secret">([^<]+)<`).FindStringSubmatch(shown.body)[1], " ", ""))
	require.NoError(t, err)
	codes := regexp.MustCompile(`\b\w{4}-\w{4}-\w{4}-\w{4}\b`).FindAllString(shown.body, -1)
	require.GreaterOrEqual(t, len(codes), 10)
	code := func() string {
		svc.Wait(totp.Period)
		code, err := totp.Key{Secret: secret}.Code(totp.Step(svc.Now()))
		require.NoError(t, err)
		return code
	}
	shown = b.submit(shown, page+"/pair/confirm", "saved", "yes", "code", "000000")
	require.Equal(t, 422, shown.status)
	require.Equal(t, page+"/pair/done", b.submit(shown, page+"/pair/confirm", "saved", "yes", "code", code()).to)
	require.Equal(t, 303, b.post("/deploy").status, "the gate is open")

	other := newBrowser(t, server)
	require.Equal(t, page+"/sign-in", other.login().to)
	require.Equal(t, 401, other.home(), "the password alone")
	used := code()
	require.Equal(t, "/", other.submit(other.get(page+"/sign-in"), page+"/sign-in", "code", " "+used+" ").to)
	require.Equal(t, 200, other.home())

	third := newBrowser(t, server)
	require.Equal(t, page+"/sign-in", third.login().to)
	form := third.get(page + "/sign-in")
	require.Equal(t, 422, third.submit(form, page+"/sign-in", "code", used).status, "replay")
	require.Equal(t, "/", third.submit(form, page+"/sign-in", "code", codes[0], "with", "recovery").to)
	require.Equal(t, 200, third.home())
	require.Equal(t, "/login", newBrowser(t, server).post(page+"/sign-in", "code", codes[1]).to, "no password")

	// A store that fails lets nobody in, and signs nobody out.
	svc.Store.Inject(gatehousetest.On("LoadAccount", gatehousetest.Fail))
	require.Equal(t, 503, b.home())
	require.Equal(t, 500, newBrowser(t, server).login().status)
	svc.Store.Inject(nil)
	require.Equal(t, 200, b.home())
	b.post("/logout")
	require.Equal(t, 401, b.home())
}

// Row A1: the copy is safe as it stands. Whatever ends the sessions of the account ends those of the host at once: with
// the cookie that a browser has, with an older one, and with none.
func TestEndings(t *testing.T) {
	for name, end := range map[string]func(*gatehousetest.Service, *browser) error{
		"password, on the page of the service": func(_ *gatehousetest.Service, b *browser) error {
			require.Equal(t, 303, b.post("/password", "password", "battery staple").status)
			return nil
		},
		"suspension": func(svc *gatehousetest.Service, _ *browser) error {
			return svc.Operator("op").Because("x").Suspend(t.Context(), "ada")
		},
		"restore": func(svc *gatehousetest.Service, _ *browser) error {
			_, err := svc.Operator("op").Because("x").AfterRestore(t.Context(), gatehouse.Restoration{}, "", nil)
			return err
		},
		"deletion": func(svc *gatehousetest.Service, _ *browser) error {
			return svc.Operator("op").Because("x").DeleteAccount(t.Context(), "ada")
		},
		"reset": func(svc *gatehousetest.Service, _ *browser) error {
			svc.Enroll(t, "ada")
			_, err := svc.Operator("op").Because("x").Reset(t.Context(), "ada")
			return err
		},
		"two-factor turned off elsewhere": func(svc *gatehousetest.Service, _ *browser) error {
			_, err := svc.Owner(svc.Enroll(t, "ada").Session()).DisableTwoFactor(t.Context())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			svc, server := serve(t)
			old, changer := newBrowser(t, server), newBrowser(t, server)
			old.login()
			older := old.stubborn()
			svc.Wait(time.Minute)
			old.login()
			changer.login()
			require.Equal(t, 200, old.home())
			require.NoError(t, end(svc, changer))
			for _, b := range []*browser{old, older, old.stubborn("__Host-gatehouse"), changer} {
				for _, c := range []*browser{b.stubborn(), b} {
					require.NotEqual(t, 200, c.home())
				}
				require.NotEqual(t, "/", b.stubborn().post("/deploy").to)
				require.NotEqual(t, "/", b.stubborn().post("/password", "password", "mine").to)
			}
		})
	}
}

// Row K1: a session of the old password, which knows when that was checked, pairs no phone once the password is another.
func TestOldSessionPairsNothing(t *testing.T) {
	_, server := serve(t)
	intruder, owner := newBrowser(t, server), newBrowser(t, server)
	intruder.login()
	owner.login()
	form := intruder.get(page + "/pair")
	require.Equal(t, 200, form.status)
	require.Equal(t, 303, owner.post("/password", "password", "battery staple").status)
	require.Equal(t, 401, intruder.submit(form, page+"/pair", "name", "x").status)
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

// What the guide shows is what package after does, and the numbers of lines it states are right: the bars are 25 lines for
// the page and 8 for a route behind a gate, as gofmt has them, without blanks, comments and imports.
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
	glue, gate, last := 0, 0, ""
	for line := range strings.Lines(code) {
		line = strings.TrimSpace(line)
		if strings.Contains(line, "guard") {
			last = line
		}
		if line == "" || strings.HasPrefix(line, "//") || strings.HasPrefix(line, `"github.com/`) || strings.HasPrefix(line, "package") {
			continue
		}
		if had[line]--; had[line] >= 0 {
			continue
		}
		if strings.Contains(line, "guard") || last != "" && strings.HasPrefix(last, "guard, err") && (line == "if err != nil {" || line == "return nil, err" || line == "}") {
			gate++
			if line == "}" {
				last = ""
			}
			continue
		}
		glue++
		t.Log(line)
	}
	t.Logf("%d lines of glue, and %d of a route behind a gate", glue, gate)
	require.LessOrEqual(t, glue, 25)
	require.LessOrEqual(t, gate, 8)
	stated := regexp.MustCompile(`(\d+) lines, and (\d+) more`).FindStringSubmatch(doc)
	require.NotNil(t, stated)
	require.Equal(t, []int{glue, gate}, []int{atoi(stated[1]), atoi(stated[2])})
}

func atoi(s string) (n int) {
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}
