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

	require.Equal(t, 200, b.visit("/"))
	require.Equal(t, "/sign-in", b.path())
	b.look("signin")
	b.press("Sign up")
	b.look("signup")
	b.fill("E-mail address", "ada")
	b.signUp(ada)
	b.has("Do this first", "level 0 of 3")
	b.look("home first")
	b.press("Security")
	b.look("overview bare")
	b.press("Access tokens")
	b.look("tokens none")
	b.press("Authenticators")
	b.look("authenticators none")

	// The gates are closed, and lead to what opens them.
	b.visit("/project")
	b.look("project")
	for _, action := range []string{"Create a production token", "Deploy publicly"} {
		b.visit("/project")
		require.Equal(t, 403, b.press(action))
		b.has("Protect your account first", "Two-factor sign-in")
	}
	b.look("gate")
	b.visit("/project")
	b.fill("Their e-mail address", "eve@acme.test")
	require.Equal(t, 403, b.press("Invite a member"))
	require.Empty(t, w.mail)

	// The first authenticator, with a password that is typed again as that was some time ago.
	w.wait(6 * time.Minute)
	b.visit("/")
	require.Equal(t, 403, b.press("Set it up"))
	b.has("Confirm that it is you")
	b.look("stepup password")
	require.Equal(t, 422, b.answer("Password", "not this one"))
	require.Equal(t, 200, b.answer("Password", password))
	b.look("pair")
	phone := b.beginPairing("Phone")
	codes := b.codes()
	b.look("pairing")
	b.tick("I have saved these codes")
	b.confirmPairing(phone)
	b.look("paired")
	b.signOut()

	// The second step, and the same code once more.
	b.signIn(ada)
	b.look("secondstep")
	code := w.code(phone)
	require.Equal(t, 200, b.answer("Code from the app", code))
	b.has("level 1 of 3")
	b.look("home")
	b.signOut()
	b.signIn(ada)
	require.Equal(t, 422, b.answer("Code from the app", code))
	b.has("used already")
	b.look("secondstep wrong")
	require.Equal(t, 200, b.answer("Code from the app", w.code(phone)))
	b.signOut()

	// A recovery code, once.
	b.signIn(ada)
	b.press("Use a recovery code")
	b.look("secondstep recovery")
	require.Equal(t, 200, b.answer("Recovery code", codes[3]))
	require.Equal(t, "/", b.path())
	b.press("Security")
	b.has("You have signed in with a recovery code")
	b.look("overview recovery")
	b.signOut()
	b.signIn(ada)
	b.press("Use a recovery code")
	require.Equal(t, 422, b.answer("Recovery code", codes[3]))
	b.press("Use a code from the app")
	require.Equal(t, 200, b.answer("Code from the app", w.code(phone)))

	// What happened is looked at.
	b.visit(securityPath + "/activity")
	b.look("activity")
	b.press("Yes, that was me")
	b.has("Noted: it was you.")

	// The gates are open, as soon as what is missing is there.
	b.visit("/project")
	b.fill("Their e-mail address", "eve@acme.test")
	require.Equal(t, 403, b.press("Invite a member"))
	b.visit("/email")
	b.look("email")
	b.press("Send a mail")
	code = strings.TrimPrefix(w.lastMail(), ada+": Your code is ")
	b.fill("The code in the mail", "not this")
	require.Equal(t, 422, b.press("Confirm"))
	b.look("email wrong")
	b.fill("The code in the mail", code)
	b.press("Confirm")
	b.has("Your e-mail address is confirmed.")
	b.visit("/project")
	b.fill("Their e-mail address", "eve@acme.test")
	require.Equal(t, 200, b.press("Invite a member"))
	b.has("An invitation is on its way.")
	b.look("project done")
	require.Equal(t, "eve@acme.test: You are invited to Anvil.", w.lastMail())
	require.Equal(t, 200, b.press("Deploy publicly"))
	b.has("Anvil is on the internet.")
	w.wait(6 * time.Minute)
	b.press("Deploy publicly")
	b.has("Confirm that it is you")
	b.look("stepup")
	require.Equal(t, 200, b.answer("Code", w.code(phone)))
	require.Equal(t, "/project", b.path())
	require.NotContains(t, b.text(), "Anvil is on the internet.")
	b.press("Deploy publicly")
	b.has("Anvil is on the internet.")

	// Tokens.
	require.Equal(t, 200, b.press("Create a production token"))
	b.look("mint")
	token := b.newToken("Pipeline", "projects:read", "deploys:write")
	b.look("minted")
	require.Equal(t, 200, w.call(token))
	b.press("Done")
	b.look("tokens")
	b.press("Pipeline")
	b.look("token")
	require.Equal(t, 200, b.press("Rotate token"))
	next := b.token()
	b.look("minted again")
	require.Equal(t, 200, w.call(next))
	require.Equal(t, 401, w.call(token))
	require.Equal(t, 401, w.call(next), "somebody has the old one")
	b.press("Done")
	b.has("There is no access token that works.", "Revoked")
	b.press("New token")
	require.Equal(t, 422, b.press("Create token"))
	b.look("mint wrong")
	script := b.newToken("Script", "projects:read")
	require.Equal(t, 200, w.call(script))
	b.press("Done")
	b.press("Script")
	b.press("Revoke token")
	b.has("The token is revoked.", "Revoked")
	require.Equal(t, 401, w.call(script))
	b.press("New token")
	third := b.newToken("Third", "projects:read")
	require.Equal(t, 200, w.call(third))
	b.press("Done")
	b.tick("I understand that all of them stop working")
	b.press("Revoke all")
	b.has("All tokens are revoked.")
	require.Equal(t, 401, w.call(third))

	// New recovery codes end the old ones.
	b.press("Recovery codes")
	b.has("9 of 10 codes left")
	b.look("codes")
	w.wait(6 * time.Minute)
	require.Equal(t, 403, b.press("Create new codes"))
	require.Equal(t, 200, b.answer("Code", w.code(phone)))
	fresh := b.codes()
	b.look("newcodes")
	require.NotContains(t, fresh, codes[4])
	b.press("I have saved these codes")
	b.has("10 of 10 codes left")
	b.signOut()
	b.signIn(ada)
	b.press("Use a recovery code")
	require.Equal(t, 422, b.answer("Recovery code", codes[4]))
	require.Equal(t, 200, b.answer("Recovery code", strings.ToLower(strings.ReplaceAll(fresh[4], "-", " "))))
	b.signOut()

	// A second authenticator, and the first one goes and comes back.
	b.signInWith(ada, phone)
	b.press("Security")
	b.press("Authenticators")
	b.press("Add another")
	tablet := b.beginPairing("Tablet")
	require.Empty(t, codeText.FindAllString(b.text(), -1), "the codes that are there stay")
	b.look("pairing another")
	b.confirmPairing(tablet)
	b.press("Authenticators")
	b.look("authenticators")
	b.unfold("Rename Phone")
	b.fill("New name", "Old phone")
	b.press("Save the name")
	b.has("The name is saved.", "Old phone")
	b.press("Remove Old phone")
	b.look("remove")
	b.press("Remove authenticator")
	b.has("The authenticator is removed.")
	require.NotContains(t, b.text(), "Old phone")
	b.press("Remove Tablet")
	b.has("It is your only authenticator")
	b.look("remove last")
	b.signOut()
	b.signIn(ada)
	require.Equal(t, 422, b.answer("Code from the app", w.code(phone)))
	require.Equal(t, 200, b.answer("Code from the app", w.code(tablet)))
	b.visit(securityPath + "/pair")
	phone = b.beginPairing("Phone")
	b.confirmPairing(phone)
	b.press("Go to Security")
	b.has("Phone")
	b.look("overview")
	if os.Getenv("GATEHOUSE_UPDATE_SCREENSHOT") != "" {
		b.do(chromedp.EmulateViewport(1280, 960))
		b.save(filepath.Join("..", "..", "docs", "security-page.png"), chromedp.CaptureScreenshot())
	}

	// The clock of the phone goes eight minutes ahead.
	b.signOut()
	b.signIn(ada)
	b.press("My codes are never accepted")
	b.look("clock")
	ahead := w.clock().Add(8 * time.Minute)
	b.fill("First code", phone.Code(ahead))
	b.fill("Next code", phone.Code(ahead.Add(30*time.Second)))
	require.Equal(t, 422, b.press("Continue"), "that is not this authenticator")
	b.choose("Authenticator app", "Phone")
	b.fill("First code", phone.Code(ahead))
	b.fill("Next code", phone.Code(ahead.Add(30*time.Second)))
	require.Equal(t, 200, b.press("Continue"))
	b.has("The clock is corrected.")
	require.Equal(t, 200, b.answer("Code from the app", phone.Code(ahead.Add(time.Minute))))

	// Off again.
	b.visit(securityPath + "/disable")
	b.has("Deploy publicly")
	b.look("disable")
	b.tick("I understand")
	b.press("Turn off")
	b.has("Two-factor sign-in is off.")
	b.signOut()
	b.signIn(ada)
	require.Equal(t, "/", b.path())

	b.press("Change your password")
	b.fill("Present password", "not this one")
	b.fill("New password", "another long password")
	require.Equal(t, 422, b.press("Change it"))
	b.look("password")
	require.Equal(t, 404, b.visit(securityPath+"/nowhere"))
	b.look("message")
	require.Equal(t, 404, b.visit("/nowhere"))
	b.visit("/help")
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
			require.True(t, looked[name] || name == "layout" || name == "parts", "nobody has looked at "+name)
		}
	}
}
