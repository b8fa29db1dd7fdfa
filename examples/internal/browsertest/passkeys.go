package browsertest

import (
	"context"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Passkeys is an authenticator that a tab has, with whatever passkeys it makes. It touches itself, and verifies its user
// where it can.
type Passkeys struct {
	b  *Tab
	id webauthn.AuthenticatorID

	mu      sync.Mutex
	deleted int      // passkeys that a page has told the browser are gone
	named   []string // names of the user that a page has told of
}

// Passkeys gives the tab an authenticator: one in the device, whose passkeys are synced and name their user, unless
// options say otherwise. What the browser's autofill offers is taken at once, as nobody is there to choose.
func (b *Tab) Passkeys(change ...func(*webauthn.VirtualAuthenticatorOptions)) *Passkeys {
	b.t.Helper()
	o := &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		DefaultBackupEligibility: true, DefaultBackupState: true,
	}
	for _, f := range change {
		f(o)
	}
	p := &Passkeys{b: b}
	call(b, webauthn.Enable, webauthn.EnableParams{})
	p.id = call(b, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: o}).AuthenticatorID
	p.watch()
	return p
}

// watch notes what the browser hears of passkeys.
func (p *Passkeys) watch() {
	p.b.Do(func(_ context.Context, t *chromedp.Target) (chromedp.Void, error) {
		deleted := cdp.Events(p.b.ctx, t, webauthn.CredentialDeleted)
		updated := cdp.Events(p.b.ctx, t, webauthn.CredentialUpdated)
		go func() {
			for _, err := range deleted {
				if err != nil {
					return
				}
				p.mu.Lock()
				p.deleted++
				p.mu.Unlock()
			}
		}()
		go func() {
			for e, err := range updated {
				if err != nil {
					return
				}
				p.mu.Lock()
				p.named = append(p.named, e.Credential.UserName)
				p.mu.Unlock()
			}
		}()
		return chromedp.Void{}, nil
	})
}

// Heard returns how many passkeys the browser has heard are gone, and the names that it has heard of.
func (p *Passkeys) Heard() (deleted int, names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.deleted, append([]string(nil), p.named...)
}

// All returns the passkeys that it has.
func (p *Passkeys) All() []*webauthn.Credential {
	p.b.t.Helper()
	return call(p.b, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: p.id}).Credentials
}

// Verifies says whether it can verify its user from here on.
func (p *Passkeys) Verifies(yes bool) {
	p.b.t.Helper()
	call(p.b, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: p.id, IsUserVerified: yes})
}

// Touches says whether somebody touches it from here on.
func (p *Passkeys) Touches(yes bool) {
	p.b.t.Helper()
	call(p.b, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: p.id, Enabled: yes})
}

// Set changes a passkey: what it says of backups, and its counter.
func (p *Passkeys) Set(credential *webauthn.Credential, eligible, backedUp bool, count float64) {
	p.b.t.Helper()
	call(p.b, webauthn.SetCredentialProperties, webauthn.SetCredentialPropertiesParams{
		AuthenticatorID: p.id, CredentialID: credential.CredentialID, BackupEligibility: &eligible, BackupState: &backedUp, SignCount: &count,
	})
}

// addCredential leaves out what only some authenticators have: webauthn.AddCredential sends all of it.
var addCredential = cdp.Command[map[string]any, cdp.Empty]{Method: webauthn.CommandAddCredential}

// Add gives it a passkey of another one.
func (p *Passkeys) Add(c *webauthn.Credential) {
	p.b.t.Helper()
	call(p.b, addCredential, map[string]any{"authenticatorId": p.id, "credential": map[string]any{
		"credentialId": c.CredentialID, "isResidentCredential": c.IsResidentCredential, "rpId": c.RpID, "privateKey": c.PrivateKey,
		"userHandle": c.UserHandle, "signCount": c.SignCount, "backupEligibility": c.BackupEligibility, "backupState": c.BackupState,
		"userName": c.UserName, "userDisplayName": c.UserDisplayName,
	}})
}

// Remove takes it out of the tab.
func (p *Passkeys) Remove() {
	p.b.t.Helper()
	call(p.b, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: p.id})
}

func call[P, R any](b *Tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	result, err := Try(b, func(ctx context.Context, t *chromedp.Target) (R, error) { return cdp.Call(ctx, t, command, params) })
	require.NoError(b.t, err)
	return result
}

// Before has a script run before those of every page from here on.
func (b *Tab) Before(script string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return chromedp.Void{}, err
	}
}
