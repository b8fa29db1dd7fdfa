// Package guide tries docs/integration.md: package before follows it and becomes package after.
package guide

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/examples/guide/after"
	"github.com/gatehouse-go/gatehouse/examples/guide/before"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/posture"
)

const (
	right = "correct horse"
	page  = "/settings/security"
)

func login(b *gatehousetest.Browser) *gatehousetest.Page {
	return b.Post("/login", "user", "ada", "password", right)
}

func TestBefore(t *testing.T) {
	b := gatehousetest.NewSite(t, func(*gatehouse.Service) http.Handler {
		handler, err := before.New()
		require.NoError(t, err)
		return handler
	}).Browser(t)
	require.Equal(t, 401, b.Get("/").Status)
	require.Equal(t, 401, b.Post("/login", "user", "ada", "password", "wrong").Status)
	login(b)
	require.Equal(t, 200, b.Get("/").Status)
	require.Equal(t, "/", b.Post("/deploy").Path)
	b.Post("/logout")
	require.Equal(t, 401, b.Get("/").Status)
}

// newSite runs package after.
func newSite(t *testing.T) *gatehousetest.Site {
	t.Helper()
	return gatehousetest.NewSite(t, func(svc *gatehouse.Service) http.Handler {
		model, err := posture.NewModel(posture.ModelConfig{})
		require.NoError(t, err)
		gates, err := posture.NewPolicy(model, posture.Gate{Action: "deploy.public", Controls: []string{posture.SecondFactor}})
		require.NoError(t, err)
		pos, err := posture.New(svc, posture.Config{Policy: gates})
		require.NoError(t, err)
		handler, err := after.New(svc, pos)
		require.NoError(t, err)
		return handler
	})
}

func TestAfter(t *testing.T) {
	site := newSite(t)
	b := site.Browser(t)
	require.Equal(t, "/login?next=%2Fsettings%2Fsecurity%2F", b.Get(page+"/").Path)
	require.Equal(t, page+"/", b.SignIn("ada", right).Path)
	require.Equal(t, 200, b.Get("/").Status, "without a second factor nothing has changed")
	require.Equal(t, 403, b.Post("/deploy").Status, "but for what asks for one")

	phone, codes := b.Pair()
	require.Len(t, codes, 10)
	require.Equal(t, "/", b.Post("/deploy").Path, "the gate is open")

	other := site.Browser(t)
	require.Equal(t, page+"/sign-in", login(other).Path)
	require.Equal(t, 401, other.Without().Get("/").Status, "the password alone")
	used := site.Code(phone)
	require.Equal(t, "/", other.Answer(" "+used+" ").Path)
	require.Equal(t, 200, other.Get("/").Status)

	third := site.Browser(t)
	require.Equal(t, page+"/sign-in", login(third).Path)
	require.Equal(t, 422, third.Answer(used).Status, "replay")
	require.Equal(t, page+"/recovered?next=%2F", third.Answer(codes[0]).Path, "what to do next, if the phone is lost")
	require.Equal(t, 200, third.Get("/").Status)
	require.Equal(t, "/login", site.Browser(t).Post(page+"/sign-in", "code", codes[1]).Path, "no password")

	// A store that fails lets nobody in, and signs nobody out.
	site.Store.Inject(gatehousetest.On("LoadAccount", gatehousetest.Fail))
	require.Equal(t, 503, b.Get("/").Status)
	require.Equal(t, 500, login(site.Browser(t)).Status)
	site.Store.Inject(nil)
	require.Equal(t, 200, b.Get("/").Status)
	b.Post("/logout")
	require.Equal(t, 401, b.Get("/").Status)
}

// Row A1: the copy is safe as it stands. Whatever ends the sessions of the account ends those of the host at once: with
// the cookie that a browser has, with an older one, and with none.
func TestEndings(t *testing.T) {
	for name, end := range map[string]func(*gatehousetest.Site, *gatehousetest.Browser) error{
		"password, on the page of the service": func(_ *gatehousetest.Site, b *gatehousetest.Browser) error {
			require.Equal(t, "/?", b.Post("/password", "password", "battery staple").Path, "it ends this session, too")
			return nil
		},
		"suspension": func(site *gatehousetest.Site, _ *gatehousetest.Browser) error {
			return site.Operator("op").Because("x").Suspend(t.Context(), "ada")
		},
		"restore": func(site *gatehousetest.Site, _ *gatehousetest.Browser) error {
			_, err := site.Operator("op").Because("x").AfterRestore(t.Context(), gatehouse.Restoration{}, "", nil)
			return err
		},
		"deletion": func(site *gatehousetest.Site, _ *gatehousetest.Browser) error {
			return deleted(site.Operator("op").Because("x").DeleteAccount(t.Context(), "ada"))
		},
		"reset": func(site *gatehousetest.Site, _ *gatehousetest.Browser) error {
			site.Enroll(t, "ada")
			_, err := site.Operator("op").Because("x").Reset(t.Context(), "ada")
			return err
		},
		"two-factor turned off elsewhere": func(site *gatehousetest.Site, _ *gatehousetest.Browser) error {
			_, err := site.Owner(site.Enroll(t, "ada").Session()).DisableTwoFactor(t.Context())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			site := newSite(t)
			old, changer := site.Browser(t), site.Browser(t)
			login(old)
			older := old.Without()
			site.Wait(time.Minute)
			login(old)
			login(changer)
			require.Equal(t, 200, old.Get("/").Status)
			require.NoError(t, end(site, changer))
			for _, b := range []*gatehousetest.Browser{old, older, old.Without("__Host-gatehouse"), changer} {
				require.NotEqual(t, "/", b.Without().Post("/deploy").Path)
				require.NotEqual(t, "/", b.Without().Post("/password", "password", "mine").Path)
				require.NotEqual(t, 200, b.Without().Get("/").Status)
				require.NotEqual(t, 200, b.Get("/").Status)
			}
		})
	}
}

// Row K1: a session of the old password, which knows when that was checked, pairs no phone once the password is another.
func TestOldSessionPairsNothing(t *testing.T) {
	site := newSite(t)
	intruder, owner := site.Browser(t), site.Browser(t)
	login(intruder)
	login(owner)
	require.Equal(t, 200, intruder.Get(page+"/pair").Status)
	require.Equal(t, "/?", owner.Post("/password", "password", "battery staple").Path)
	require.Equal(t, 401, intruder.Submit(page+"/pair", "name", "x").Status)
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

// deleted is what a deletion comes to, without what its owner had yet to be told.
func deleted(_ []event.Notice, err error) error { return err }
