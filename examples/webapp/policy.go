package main

import (
	"time"

	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// tokenPolicy says what access tokens can do here.
func tokenPolicy() (tokens.Policy, error) {
	scopes, err := tokens.NewRegistry(
		tokens.ScopeInfo{Scope: "projects:read", Description: "See projects."},
		tokens.ScopeInfo{Scope: "projects:write", Description: "Change projects.", Risk: tokens.Medium},
		tokens.ScopeInfo{Scope: "deploys:read", Description: "See what is deployed."},
		tokens.ScopeInfo{Scope: "deploys:write", Description: "Deploy to production.", Risk: tokens.High, StepUp: true},
		tokens.ScopeInfo{Scope: "members:read", Description: "See who is in the team.", Risk: tokens.Medium},
	)
	return tokens.Policy{Brand: "acme", Scopes: scopes, Separator: "/"}, err
}

// texts are what the gates are called on pages, by the keys of securitypage.
var texts = map[string]string{
	"gate." + posture.MintToken:           "Create a token",
	"gate." + posture.MintProductionToken: "Create a production token",
	"gate.team.invite":                    "Invite a member",
	"gate.deploy.public":                  "Deploy publicly",
}

// protection says what the risky actions ask for. A gate names controls, never a score.
func protection(passkeys bool) (*posture.Policy, error) {
	model, err := posture.NewModel(posture.ModelConfig{Passkeys: passkeys, Links: map[string]string{
		posture.SecondFactor:       securityPath + "/pair",
		posture.RecoveryCodesSaved: securityPath + "/recovery-codes",
		posture.EmailVerified:      "/email",
	}})
	if err != nil {
		return nil, err
	}
	saved := []string{posture.SecondFactor, posture.RecoveryCodesExist, posture.RecoveryCodesSaved}
	return posture.NewPolicy(model,
		posture.Gate{Action: posture.MintToken, Controls: []string{posture.SecondFactor}},
		posture.Gate{Action: posture.MintProductionToken, Controls: saved, SecondFactor: true, MaxAge: 15 * time.Minute},
		posture.Gate{Action: "team.invite", Controls: []string{posture.SecondFactor, posture.EmailVerified}},
		posture.Gate{Action: "deploy.public", Controls: saved, SecondFactor: true, MaxAge: 5 * time.Minute},
	)
}
