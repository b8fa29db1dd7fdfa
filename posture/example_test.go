package posture_test

import (
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// passwordChanged is a control of the host's own. Its evidence is in Host.Answers.
var passwordChanged = posture.Control{
	ID: "password-changed", Title: "Leaked password changed", Question: "Is the password in no known leak?",
	Severity: posture.High, Standards: []string{"NIST SP 800-63B-4 §3.1.1.2"}, Impact: posture.Some, Effort: posture.Little,
	Fix:   posture.Remediation{Text: "Change the password.", Link: "/settings/password"},
	Reads: posture.HostEvidence,
	Check: func(f posture.Facts, _ time.Time) posture.Result {
		switch f.Host.Answers["password-changed"] {
		case posture.Yes:
			return posture.Result{State: posture.Pass, Reason: "It is in no known leak."}
		case posture.No:
			return posture.Result{State: posture.Fail, Reason: "It is in a known leak."}
		}
		return posture.Result{Reason: "It has not been looked up."} // the zero State is unknown
	},
}

// A model with a control, links and plans of the host's own.
func ExampleNewModel() {
	model, err := posture.NewModel(posture.ModelConfig{
		Controls: []posture.Control{passwordChanged},
		Links:    map[string]string{posture.SecondFactor: "/settings/security/pair"},
		Adjust: map[string]func(plan string) posture.Adjustment{
			posture.SecondAuthenticator: func(plan string) posture.Adjustment {
				if plan == "free" {
					return posture.Adjustment{LockedBy: "the Team plan"}
				}
				return posture.Adjustment{}
			},
		},
		Version: "2030-01",
	})
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	report := model.Evaluate(posture.Facts{
		Host: posture.Host{At: now, Plan: "free", Answers: map[string]posture.Answer{"password-changed": posture.No}},
	}, now)
	for _, id := range []string{posture.SecondFactor, "password-changed", posture.SecondAuthenticator} {
		f, _ := report.Find(id)
		fmt.Println(strings.TrimSpace(fmt.Sprintf("%s: %s. %s %s", f.Title, f.State, f.Reason, f.Fix.Link)))
	}
	fmt.Println("rules", report.Model)
	// Output:
	// Two-factor sign-in: fail. The password alone signs in. /settings/security/pair
	// Leaked password changed: fail. It is in a known leak. /settings/password
	// A second authenticator: locked. Opened by: the Team plan
	// rules 3/2030-01
}

// examplePolicy has two gates: one demands controls and a fresh proof, one a level, of newcomers at once.
func examplePolicy() *posture.Policy {
	model, err := posture.NewModel(posture.ModelConfig{})
	if err != nil {
		log.Fatal(err)
	}
	policy, err := posture.NewPolicy(model,
		posture.Gate{
			Action: "deploy.public", Controls: []string{posture.SecondFactor, posture.EmailVerified},
			MaxAge: 5 * time.Minute, SecondFactor: true,
		},
		posture.Gate{
			Action: "members.invite", Level: 1,
			Grace: posture.Grace{
				Before: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
				Until:  time.Date(2030, 4, 1, 0, 0, 0, 0, time.UTC),
			},
		},
	)
	if err != nil {
		log.Fatal(err)
	}
	return policy
}

// What is misspelt is found when the service starts, and not when somebody deploys.
func ExampleNewPolicy() {
	model, err := posture.NewModel(posture.ModelConfig{})
	if err != nil {
		log.Fatal(err)
	}
	_, err = posture.NewPolicy(model, posture.Gate{Action: "deploy.public", Controls: []string{"second_factor"}})
	fmt.Println(err)
	_, err = posture.NewPolicy(model, posture.Gate{Action: "deploy.public"})
	fmt.Println(err)
	// Output:
	// posture: invalid argument: gate deploy.public: no control "second_factor"
	// posture: invalid argument: gate deploy.public demands nothing
}

func ExamplePolicy_Review() {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	r := examplePolicy().Review(posture.Facts{
		TokensKnown: true,
		Host:        posture.Host{At: now, EmailVerified: posture.Yes},
	}, now)
	fmt.Printf("level %d, score %d: %d, capped by %v\n", r.Level, r.Score, r.Raw, r.CappedBy)
	fmt.Printf("%s Opens %v, and gains %d points.\n", r.Next[0].Fix.Text, r.Next[0].Opens, r.Next[0].Gain)
	// Output:
	// level 0, score 39: 52, capped by [second-factor]
	// Pair an authenticator app. Opens [deploy.public members.invite], and gains 29 points.
}

// A gate says what keeps it closed. What another proof would mend is told apart.
func ExamplePolicy_Decide() {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	policy := examplePolicy()
	facts := posture.Facts{
		Account: gatehouse.Account{Authenticators: []gatehouse.Authenticator{{ID: "A1", Name: "Phone"}}},
		Host:    posture.Host{At: now}, // the host does not know whether the address is verified
	}
	report := policy.Model().Evaluate(facts, now)
	d := policy.Decide("deploy.public", report, facts, posture.Proof{At: now.Add(-time.Hour), SecondFactor: true}, now)
	fmt.Println("open:", d.Open)
	for _, f := range d.Unmet {
		fmt.Println(f.ID, f.State)
	}
	fmt.Println("step up:", d.StepUp.MaxAge)
	// Output:
	// open: false
	// email-verified unknown
	// step up: 5m0s
}

// What would be, if two-factor were turned off?
func ExamplePolicy_Compare() {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	token := tokens.Info{
		ID: "T1", Name: "ci", State: tokens.StateActive, Created: now, Expires: now.AddDate(0, 0, 30), SecondFactor: true,
	}
	before := posture.Facts{
		Account: gatehouse.Account{
			Authenticators: []gatehouse.Authenticator{{ID: "A1", Name: "Phone"}},
			RecoveryCodes:  gatehouse.RecoverySet{Total: 10, Left: 10, Acknowledged: now},
			TOTP:           gatehouse.MethodState{Available: true},
			RecoveryCode:   gatehouse.MethodState{Available: true},
			KeysCurrent:    true,
		},
		Tokens: []tokens.Info{token}, TokensKnown: true,
		Host: posture.Host{At: now, EmailVerified: posture.Yes},
	}
	after := before
	after.Account.Authenticators, after.Account.RecoveryCodes = nil, gatehouse.RecoverySet{}
	token.State = tokens.StateNeedsSecondFactor
	after.Tokens = []tokens.Info{token}

	v := examplePolicy().Compare(before, after, now)
	fmt.Println("level", v.Before.Level, "to", v.After.Level, "score", v.Before.Score, "to", v.After.Score)
	for _, w := range v.Warnings {
		fmt.Println(w)
	}
	// Output:
	// level 1 to 0 score 96 to 39
	// The password alone would sign in.
	// Gates that would close: deploy.public, members.invite.
	// Access tokens that would stop working: 1.
}

func ExampleReview_WriteText() {
	now := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	r := examplePolicy().Review(posture.Facts{
		Account: gatehouse.Account{
			Authenticators: []gatehouse.Authenticator{{ID: "A1", Name: "Phone"}},
			RecoveryCodes:  gatehouse.RecoverySet{Total: 10, Left: 2, Acknowledged: now},
			TOTP:           gatehouse.MethodState{Available: true},
			RecoveryCode:   gatehouse.MethodState{Available: true},
			KeysCurrent:    true,
		},
		TokensKnown: true,
		Host:        posture.Host{At: now, EmailVerified: posture.No},
	}, now)
	if err := r.WriteText(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// Level 1 of 3, score 85 of 100, 100% known, rules 3
	//
	// PASS            critical  Two-factor sign-in               An authenticator is paired.
	// PASS            high      Recovery codes                   2 of 10 codes are unused.
	// PASS            high      Use of recovery codes looked at  The owner has looked at every use of a recovery code.
	// PASS            medium    Recovery codes saved             The owner has said that the codes are saved.
	// PARTIAL         medium    Enough recovery codes            Only 2 unused, of 10.
	// LOCKED          medium    Phishing-resistant sign-in       Opened by: a later version
	// FAIL            medium    Verified e-mail                  The e-mail address is not verified.
	// PASS            medium    No locked method                 No method is locked.
	// PASS            medium    No weak authenticator            Every secret has at least 128 bits.
	// PASS            medium    Tokens expire                    There are no access tokens.
	// NOT APPLICABLE  medium    No token by password alone       No access token was made by the password alone.
	// NOT APPLICABLE  medium    Service accounts looked at       No service account or token of one waits to be looked at.
	// PASS            medium    Narrow tokens                    There are no access tokens.
	// FAIL            low       A second authenticator           There is one authenticator.
	// PASS            low       No forgotten tokens              There are no access tokens.
	// PASS            low       No token about to expire         There are no access tokens.
	// PASS            low       Secrets under the current key    Every secret is sealed under the primary key.
	//
	// CLOSED  gate  deploy.public  Verified e-mail: fail
	// OPEN    gate  members.invite
	//
	// Next:
	// 1. Verify the e-mail address. (+7 points, little effort, opens deploy.public)
	// 2. Make new recovery codes. (+4 points, little effort)
	// 3. Pair an authenticator app on another device. (+4 points, some effort)
}
