package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

const ada = "ada@acme.test"

// call uses a token as a script would, and returns the status of the answer.
func (w *world) call(token string) int {
	w.t.Helper()
	r, err := http.NewRequest("GET", w.server.URL+"/api/projects/"+w.project(ada), nil)
	require.NoError(w.t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(w.t, err)
	resp.Body.Close()
	return resp.StatusCode
}

// TestOwner goes through the whole life of an account, and looks at every page there is.
func TestOwner(t *testing.T) {
	w := newWorld(t)
	b := w.open(t)

	require.Equal(t, 200, b.Visit("/"))
	require.Equal(t, "/sign-in", b.Path())
	b.look("signin")
	b.Press("Sign up")
	b.look("signup")
	b.Fill("E-mail address", "ada")
	b.signUp(ada)
	b.Has("Do this first", "level 0 of 3")
	b.look("home first")
	b.Press("Security")
	b.look("overview bare")
	b.Press("Tokens")
	b.look("tokens none")
	b.Press("Methods")
	b.look("authenticators none")

	// The gates are closed, and lead to what opens them.
	b.Visit("/project")
	b.look("project")
	for _, action := range []string{"Create a production token", "Deploy publicly"} {
		b.Visit("/project")
		require.Equal(t, 403, b.Press(action))
		b.Has("Protect your account first", "Two-factor sign-in")
	}
	b.look("gate")
	b.Visit("/project")
	b.Fill("Their e-mail address", "eve@acme.test")
	require.Equal(t, 403, b.Press("Invite a member"))
	require.Empty(t, w.mail)

	// The first authenticator, with a password that is typed again as that was some time ago.
	w.wait(6 * time.Minute)
	b.Visit("/")
	require.Equal(t, 403, b.Press("Set it up"))
	b.Has("Confirm that it is you")
	b.look("stepup password")
	require.Equal(t, 422, b.Answer("Password", "not this one"))
	require.Equal(t, 200, b.Answer("Password", password))
	b.look("pair")
	phone := b.beginPairing("Phone")
	codes := b.codes()
	b.look("pairing")
	b.Tick("I have saved these codes")
	b.confirmPairing(phone)
	b.look("paired")
	b.signOut()

	// The second step, and the same code once more.
	b.signIn(ada)
	b.look("secondstep")
	code := w.code(phone)
	require.Equal(t, 200, b.Answer("Code from the app", code))
	b.Has("level 1 of 3")
	b.look("home")
	b.signOut()
	b.signIn(ada)
	require.Equal(t, 422, b.Answer("Code from the app", code))
	b.Has("used already")
	b.look("secondstep wrong")
	require.Equal(t, 200, b.Answer("Code from the app", w.code(phone)))
	b.signOut()

	// A recovery code, once.
	b.signIn(ada)
	b.Press("Use a recovery code")
	b.look("secondstep recovery")
	require.Equal(t, 200, b.Answer("Recovery code", codes[3]))
	require.Equal(t, "/", b.Path())
	b.Press("Security")
	b.Has("You have signed in with a recovery code")
	b.look("overview recovery")
	b.signOut()
	b.signIn(ada)
	b.Press("Use a recovery code")
	require.Equal(t, 422, b.Answer("Recovery code", codes[3]))
	b.Press("Use a code from the app")
	require.Equal(t, 200, b.Answer("Code from the app", w.code(phone)))

	// What happened is looked at.
	b.Visit(securityPath + "/activity")
	b.look("activity")
	b.Press("Yes, that was me")
	b.Has("Noted: it was you.")

	// The gates are open, as soon as what is missing is there.
	b.Visit("/project")
	b.Fill("Their e-mail address", "eve@acme.test")
	require.Equal(t, 403, b.Press("Invite a member"))
	b.Visit("/email")
	b.look("email")
	b.Press("Send a mail")
	code = strings.TrimPrefix(w.lastMail(), ada+": Your code is ")
	b.Fill("The code in the mail", "not this")
	require.Equal(t, 422, b.Press("Confirm"))
	b.look("email wrong")
	b.Fill("The code in the mail", code)
	b.Press("Confirm")
	b.Has("Your e-mail address is confirmed.")
	b.Visit("/project")
	b.Fill("Their e-mail address", "eve@acme.test")
	require.Equal(t, 200, b.Press("Invite a member"))
	b.Has("An invitation is on its way.")
	b.look("project done")
	require.Equal(t, "eve@acme.test: You are invited to Anvil.", w.lastMail())
	require.Equal(t, 200, b.Press("Deploy publicly"))
	b.Has("Anvil is on the internet.")
	w.wait(6 * time.Minute)
	b.Press("Deploy publicly")
	b.Has("Confirm that it is you")
	b.look("stepup")
	require.Equal(t, 200, b.Answer("Code", w.code(phone)))
	require.Equal(t, "/project", b.Path())
	require.NotContains(t, b.Text(), "Anvil is on the internet.")
	b.Press("Deploy publicly")
	b.Has("Anvil is on the internet.")

	// Tokens.
	require.Equal(t, 200, b.Press("Create a production token"))
	b.look("mint")
	token := b.newToken("Pipeline", "projects:read", "deploys:write")
	b.look("minted")
	require.Equal(t, 200, w.call(token))
	b.Press("Done")
	b.look("tokens")
	b.Press("Pipeline")
	b.look("token")
	require.Equal(t, 200, b.Press("Rotate token"))
	next := b.token()
	b.look("minted again")
	require.Equal(t, 200, w.call(next))
	require.Equal(t, 401, w.call(token))
	require.Equal(t, 401, w.call(next), "somebody has the old one")
	b.Press("Done")
	b.Has("There is no access token that works.", "Revoked")
	b.Press("New token")
	require.Equal(t, 422, b.Press("Create token"))
	b.look("mint wrong")
	script := b.newToken("Script", "projects:read")
	require.Equal(t, 200, w.call(script))
	b.Press("Done")
	b.Press("Script")
	b.Press("Revoke token")
	b.Has("The token is revoked.", "Revoked")
	require.Equal(t, 401, w.call(script))
	b.Press("New token")
	third := b.newToken("Third", "projects:read")
	require.Equal(t, 200, w.call(third))
	b.Press("Done")
	b.Tick("I understand that all of them stop working")
	b.Press("Revoke all")
	b.Has("All tokens are revoked.")
	require.Equal(t, 401, w.call(third))

	// New recovery codes end the old ones.
	b.Press("Methods")
	b.Press("Manage recovery codes")
	b.Has("9 of 10 codes left")
	b.look("codes")
	w.wait(6 * time.Minute)
	require.Equal(t, 403, b.Press("Create new codes"))
	require.Equal(t, 200, b.Answer("Code", w.code(phone)))
	fresh := b.codes()
	b.look("newcodes")
	require.NotContains(t, fresh, codes[4])
	b.Press("I have saved these codes")
	b.Has("10 of 10 codes left")
	b.signOut()
	b.signIn(ada)
	b.Press("Use a recovery code")
	require.Equal(t, 422, b.Answer("Recovery code", codes[4]))
	require.Equal(t, 200, b.Answer("Recovery code", strings.ToLower(strings.ReplaceAll(fresh[4], "-", " "))))
	b.signOut()

	// A second authenticator, and the first one goes and comes back.
	b.signInWith(ada, phone)
	b.Press("Security")
	b.Press("Methods")
	b.Press("Add another")
	tablet := b.beginPairing("Tablet")
	require.Empty(t, b.RecoveryCodes(), "the codes that are there stay")
	b.look("pairing another")
	b.confirmPairing(tablet)
	b.Press("Go to Security")
	b.Press("Methods")
	b.look("authenticators")
	b.Unfold("Rename Phone")
	b.Fill("New name", "Old phone")
	b.Press("Save the name")
	b.Has("The name is saved.", "Old phone")
	b.Press("Remove Old phone")
	b.look("remove")
	b.Press("Remove authenticator")
	b.Has("The authenticator is removed.")
	require.NotContains(t, b.Text(), "Old phone")
	b.Press("Remove Tablet")
	b.Has("It is your only authenticator")
	b.look("remove last")
	b.signOut()
	b.signIn(ada)
	require.Equal(t, 422, b.Answer("Code from the app", w.code(phone)))
	require.Equal(t, 200, b.Answer("Code from the app", w.code(tablet)))
	b.Visit(securityPath + "/pair")
	phone = b.beginPairing("Phone")
	b.confirmPairing(phone)
	b.Press("Go to Security")
	b.Has("Phone")
	b.look("overview")
	if os.Getenv("GATEHOUSE_UPDATE_SCREENSHOT") != "" {
		b.Do(chromedp.EmulateViewport(1280, 960))
		b.save(filepath.Join("..", "..", "docs", "security-page.png"), chromedp.CaptureScreenshot())
	}

	// The clock of the phone goes eight minutes ahead.
	b.signOut()
	b.signIn(ada)
	b.Press("My codes are never accepted")
	b.look("clock")
	ahead := w.clock().Add(8 * time.Minute)
	b.Fill("First code", phone.Code(ahead))
	b.Fill("Next code", phone.Code(ahead.Add(30*time.Second)))
	require.Equal(t, 422, b.Press("Continue"), "that is not this authenticator")
	b.Choose("Authenticator app", "Phone")
	b.Fill("First code", phone.Code(ahead))
	b.Fill("Next code", phone.Code(ahead.Add(30*time.Second)))
	require.Equal(t, 200, b.Press("Continue"))
	b.Has("The clock is corrected.")
	require.Equal(t, 200, b.Answer("Code from the app", phone.Code(ahead.Add(time.Minute))))

	// Off again.
	b.Visit(securityPath + "/disable")
	b.Has("Deploy publicly")
	b.look("disable")
	b.Tick("I understand")
	b.Press("Turn off")
	b.Has("Two-factor sign-in is off.")
	b.signOut()
	b.signIn(ada)
	require.Equal(t, "/", b.Path())

	b.Press("Change your password")
	b.Fill("Present password", "not this one")
	b.Fill("New password", "another long password")
	require.Equal(t, 422, b.Press("Change it"))
	b.look("password")
	require.Equal(t, 404, b.Visit(securityPath+"/nowhere"))
	b.look("message")
	require.Equal(t, 404, b.Visit("/nowhere"))
	b.Visit("/help")
	b.look("message help")

	looked := map[string]bool{}
	for name := range w.looked {
		template, _, _ := strings.Cut(name, " ")
		looked[template] = true
	}
	for _, pattern := range []string{"../../securitypage/templates/*.html", "templates/*.html"} {
		templates, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.Greater(t, len(templates), 5)
		for _, file := range templates {
			name := strings.TrimSuffix(filepath.Base(file), ".html")
			require.True(t, looked[name] || name == "header" || name == "security" || name == "layout" || name == "frame" || name == "parts", "nobody has looked at "+name)
		}
	}
}
