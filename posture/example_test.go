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
	ID: "password-changed", Title: "Your password is in no known leak", Failing: "Your password was leaked",
	Question: "Was your password leaked?",
	Severity: posture.High, Standards: []string{"NIST SP 800-63B-4 §3.1.1.2"}, Impact: posture.Some, Effort: posture.Little,
	Fix:   posture.Remediation{Title: "Change your password", Text: "Somebody else may know it.", Link: "/settings/password"},
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
	// Two-factor sign-in is off: fail. Anyone who learns your password can sign in as you. /settings/security/pair
	// Your password was leaked: fail. It is in a known leak. /settings/password
	// Do you still have a device if you lose one?: locked. Available with: the Team plan.
	// rules 5/2030-01
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
	fmt.Printf("%s. Opens %v, and gains %d points.\n", r.Next[0].Title, r.Next[0].Opens, r.Next[0].Gain)
	// Output:
	// level 0, score 39: 52, capped by [second-factor]
	// Turn on two-factor sign-in. Opens [deploy.public members.invite], and gains 53 points.
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
	// Level 1 of 3, score 85 of 100, 100% known, rules 5
	//
	// PASS            critical  Two-factor sign-in is on                             Signing in takes your password and a code from your authenticator app.
	// PASS            high      You have recovery codes                              2 of 10 recovery codes are left.
	// PASS            high      You know about every use of a recovery code          No recovery code was used without your knowing.
	// PASS            medium    Your recovery codes are saved                        You confirmed that you saved them.
	// PARTIAL         medium    You are running out of recovery codes                Only 2 of 10 recovery codes are left.
	// LOCKED          medium    Would a fake sign-in page learn nothing useful?      This service does not offer it yet.
	// FAIL            medium    Your email address is not verified                   We do not know whether our messages reach you.
	// PASS            medium    You can use every way to sign in                     Nothing is locked.
	// PASS            medium    Every authenticator has a strong key                 Every key has at least 128 bits.
	// PASS            medium    Every access token expires                           You have no access tokens.
	// NOT APPLICABLE  medium    No access token was created with the password alone  You have no access token that was created with the password alone.
	// NOT APPLICABLE  medium    You know about your service accounts                 There is nothing to check.
	// PASS            medium    No access token may do more than it does             You have no access tokens.
	// FAIL            low       You have no second authenticator                     You have one authenticator app. If you lose it, you need a recovery code.
	// NOT APPLICABLE  low       No authenticator app weakens your passkeys           You have no passkey.
	// PASS            low       Every access token is in use                         You have no access tokens.
	// PASS            low       No access token is about to expire                   You have no access tokens.
	// PASS            low       Your secrets are stored with the newest key          All of your secrets are stored with the newest key.
	//
	// CLOSED  gate  deploy.public  Your email address is not verified
	// OPEN    gate  members.invite
	//
	// Next:
	// 1. Verify your email address (+7 points, little effort, opens deploy.public)
	// 2. Create new recovery codes (+4 points, little effort)
	// 3. Add a second authenticator (+4 points, some effort)
}
