package securitypage

// english has every text of the page. A text with %d, %s or %q is a format of package fmt.
var english = map[string]string{
	"lang": "en", "dir": "ltr",
	"format.time": "2 Jan 2006, 15:04 UTC", // of package time; the time is in UTC

	"skip": "Skip to content", "nav": "Security", "signout": "Sign out", "signin": "Sign in", "help": "Get help",
	"back": "Back to Security", "cancel": "Cancel", "goon": "Continue", "copy": "Copy", "copied": "Copied.",
	"download": "Download", "print": "Print", "on": "On", "off": "Off", "open": "Allowed", "closed": "Not yet",
	"none": "None", "never": "Never", "manage": "Manage", "fix": "Fix this", "days": "%d days", "hours": "%d hours",
	"password": "Password", "authenticator": "Authenticator app", "score": "Score", "level": "Level",

	"nav.overview": "Overview", "nav.authenticators": "Authenticators", "nav.codes": "Recovery codes",
	"nav.tokens": "Access tokens", "nav.activity": "Activity",

	"title.overview": "Security", "title.pair": "Pair an authenticator app", "title.pairing": "Pair an authenticator app",
	"title.paired": "Two-factor sign-in is on", "title.authenticators": "Authenticator apps", "title.remove": "Remove an authenticator",
	"title.codes": "Recovery codes", "title.newcodes": "Your new recovery codes", "title.disable": "Turn two-factor sign-in off",
	"title.tokens": "Access tokens", "title.mint": "New access token", "title.minted": "Your access token", "title.token": "Access token",
	"title.activity": "Recent activity", "title.stepup": "Confirm that it is you", "title.secondstep": "Two-factor sign-in",
	"title.clock": "Codes are never accepted", "title.gate": "Protect your account first",

	"wait.seconds": "%d seconds", "wait.minutes": "%d minutes", "wait.hours": "%d hours", "wait.days": "%d days",

	"level.0": "Password only", "level.1": "Two-factor sign-in", "level.2": "Two-factor with a way back", "level.3": "Phishing-resistant",
	"level.0.about": "Whoever learns your password can sign in.",
	"level.1.about": "Signing in takes a code from your phone as well. Make sure that you can get back in without it.",
	"level.2.about": "Signing in takes a second factor, and losing one device does not lock you out.",
	"level.3.about": "A false page learns nothing that would sign in to your account.",

	"overview.level": "Level %d of 3", "overview.score": "Score: %d of 100",
	"overview.capped":  "It would be %d but for the most important points below.",
	"overview.unknown": "Something is not known yet. It may be as high as %d.",
	"overview.next":    "Do this first", "overview.gain": "+%d points.", "overview.opens": "Allows:",
	"overview.methods": "Sign-in and access", "overview.twofactor": "Two-factor sign-in",
	"overview.twofactor.about": "A code from an authenticator app, after your password.",
	"overview.turnon":          "Turn on", "overview.turnoff": "Turn off", "overview.tokens": "%d active",
	"overview.gates": "What your account may do", "overview.needs": "Needs:", "overview.grace": "Allowed until",
	"overview.accepted": "Accepted by %s: %s", "overview.all": "All recent activity",
	"overview.suspended":  "This account is suspended. Nobody can sign in to it.",
	"overview.byrecovery": "You have signed in with a recovery code. If your authenticator is lost, pair another in its place now.",
	"overview.replace":    "Replace the authenticator",
	"overview.reset":      "Support has reset this account's two-factor sign-in.",
	"overview.reset.pending": "To sign in, the single-use code is needed that support has given out. It works for another %s. " +
		"If you did not ask for it, tell support at once.",
	"overview.reset.used":    "The single-use code has been used, and an authenticator is being paired. If that is not you, tell support at once.",
	"overview.reset.expired": "The single-use code has expired. Ask support for another. If you did not ask for a reset, tell them at once.",

	"group.todo": "Needs attention", "group.good": "In order", "group.other": "Does not count",
	"finding.pass": "In order", "finding.partial": "In part", "finding.fail": "Not in order", "finding.unknown": "Not known",
	"finding.not applicable": "Not needed", "finding.locked": "Not in your plan", "finding.accepted": "Risk accepted", "finding.delegated": "By your provider",

	"fix.second-factor": "Pair an app", "fix.recovery-codes": "Recovery codes", "fix.recovery-codes-saved": "Save the codes",
	"fix.recovery-codes-left": "Make new codes", "fix.second-authenticator": "Pair another", "fix.methods-open": "Have a look",
	"fix.recovery-use-seen": "Have a look", "fix.tokens-expire": "Look at tokens", "fix.tokens-used": "Look at tokens",
	"fix.tokens-narrow": "Look at tokens", "fix.tokens-not-expiring": "Look at tokens",

	"gate": "%s needs an account that is better protected. This is what is missing:", "gate.back": "Back",
	"gate.hidden": "It also needs something that your account does not offer. Ask support.",
	"gate.level":  "It needs level %d: %s.",

	"pair":      "An authenticator app on your phone shows a new code every 30 seconds. From then on signing in takes your password and that code.",
	"pair.name": "Name", "pair.name.about": "Tells this device from others, such as “Work phone”. You can leave it empty.", "pair.name.example": "Authenticator",
	"pair.instead": "What should it do?", "pair.beside": "Be one more authenticator", "pair.replace": "Take the place of “%s”",
	"pair.onlyold": "You have signed in with a recovery code, so a new authenticator takes the place of one that you have.",
	"pair.full":    "There are five authenticators, which is the most. Remove or replace one.", "pair.show": "Show the QR code",
	"pair.pending": "The pairing of “%s” is not finished.", "pair.resume": "Go on with it",

	"pairing.scan": "Scan this code", "pairing.qr": "QR code for the authenticator app",
	"pairing.scan.about": "Open the app, add an account and point the camera at the picture.",
	"pairing.type":       "No camera? Type this key instead (time-based, 6 digits):",
	"pairing.keep":       "The picture and the key are shown once. Nobody else may see them.",
	"pairing.confirm":    "Type the app's code", "pairing.confirm.about": "Nothing is on until a code shows that the app works.",
	"pairing.on": "Turn it on", "pairing.lost": "The picture is no longer shown.", "pairing.again": "Start again with a new one",
	"pairing.cancel": "Give up",

	"paired":      "From now on a code is asked for when you sign in.",
	"paired.back": "Go to Security", "paired.another": "Pair another device, so that losing this one does not lock you out",
	"paired.signin": "The new authenticator is paired. Sign in again with your password and its code.",
	"paired.on":     "Paired on", "used.on": "last used", "used.never": "Never used",

	"authenticators":     "The apps whose codes sign you in. With two of them, losing one phone is no trouble.",
	"authenticators.add": "Add another", "authenticators.none": "No authenticator app is paired: your password alone signs in.",
	"rename": "Rename", "rename.to": "New name", "rename.save": "Save the name", "replace": "Replace", "remove": "Remove",
	"remove.title": "Remove “%s”?", "remove.about": "Its codes stop working at once.", "remove.do": "Remove it",
	"remove.last":  "It is your only authenticator. Replace it by another, or turn two-factor sign-in off.",
	"unlock.about": "If the wrong codes were not yours, somebody may know your password: change it first.", "unlock": "Unlock now",

	"preview": "What would change", "preview.closes": "No longer allowed", "preview.opens": "Allowed then",
	"preview.suspends": "Tokens that stop working", "preview.ways": "Ways back in without your phone", "preview.noways": "None",

	"disable.about": "Your password alone would sign in. Recovery codes and authenticators are removed, and other sessions have to confirm themselves anew.",
	"disable.sure":  "I understand that my account is less protected then", "disable.do": "Turn it off", "disable.keep": "Keep it on",

	"codes":      "Each code signs you in once, when your phone is not at hand. Keep them where you keep your passport, not on the phone.",
	"codes.none": "There are none before an authenticator app is paired.", "codes.left": "%d of %d codes left",
	"codes.made": "Made on", "codes.savedon": "saved on", "codes.few": "Few codes are left. Make new ones while you can sign in.",
	"codes.imported": "These codes are another system's. Make new ones.", "codes.unsaved": "You have not said yet that these codes are saved.",
	"codes.saved": "I have saved these codes", "codes.new": "Make new codes", "codes.new.about": "The old ones stop working at once. You are asked for a code from your app, or for a recovery code.",
	"codes.new.do": "Make new codes", "codes.save": "Save your recovery codes", "codes.file": "recovery-codes.txt",
	"codes.save.about": "They get you back in if you lose your phone. Each works once, and they are shown only now.",
	"newcodes":         "They have taken the place of the old ones, which no longer work.", "newcodes.saved": "Go on once they are in a safe place.",

	"tokens":     "Tokens let scripts, apps and services act for you, without your password. Give each as little as it needs.",
	"tokens.new": "New token", "tokens.none": "There is no access token that works.", "tokens.ended": "Expired and revoked",
	"tokens.more": "%d older ones are not listed.", "tokens.all": "Revoke all tokens",
	"tokens.all.about": "After a leak that you cannot pin down. Whatever uses a token stops working at once.",
	"tokens.all.sure":  "I understand that all of them stop working", "tokens.all.do": "Revoke all",

	"state.active": "Active", "state.not yet valid": "Not yet valid", "state.expired": "Expired", "state.revoked": "Revoked",
	"state.waiting for the second factor": "Waits for two-factor sign-in", "state.account suspended": "Account suspended", "state.unknown": "Not known",

	"token.id": "ID", "token.scopes": "May", "token.created": "Made on", "token.rotations": "rotated %d times", "token.expires": "Expires",
	"token.expired": "Expired", "token.used": "Last used", "token.addresses": "Last used from", "token.revoked": "Revoked on",
	"token.needs": "Needs", "token.needs.about": "works only while two-factor sign-in is on", "token.rotates": "Rotation",
	"token.unused": "(not used yet)", "token.dropped": "no longer exists",

	"mint":      "The token is shown once. What it may do cannot be widened later.",
	"mint.name": "Name", "mint.name.about": "What it is for, so that you know later whether it is still needed.",
	"mint.kind": "Used by", "mint.scopes": "What may it do?", "mint.scopes.about": "Choose as little as will do.",
	"mint.stepup": "Needs two-factor sign-in.", "mint.days": "Expires after", "mint.limits": "Limit it further",
	"mint.resources": "Only these resources", "mint.resources.about": "One a line. Leave it empty for all.",
	"mint.networks": "Only from these networks", "mint.networks.about": "Addresses or CIDRs such as 192.0.2.0/24, one a line. Leave it empty for everywhere.",
	"mint.rotates": "It may replace itself by a new token", "mint.do": "Make the token",

	"kind.pat": "Me, in scripts of my own", "kind.cli": "A command-line tool", "kind.app": "An app", "kind.svc": "A service or a pipeline",
	"risk.low": "Low risk", "risk.medium": "Medium risk", "risk.high": "High risk",

	"minted.title": "Token “%s” is made", "minted.rotated": "Token “%s” is rotated",
	"minted.once":  "Copy it now. It is not shown again.",
	"minted.about": "Keep it like a password. Whoever has it can do what it may do. It goes into the Authorization header, never into an address.",
	"minted.grace": "The old one works for another %d hours.", "minted.nograce": "The old one no longer works.", "minted.done": "Done",

	"rotate": "Rotate", "rotate.about": "Makes a new secret for the same token. Do it when somebody may have seen it, and regularly.",
	"rotate.grace": "The old secret works for another", "rotate.nograce": "no time: it stops at once", "rotate.do": "Rotate it",
	"renew": "Renew", "renew.about": "The token works again, with the secret that it had.", "renew.do": "Renew it",
	"revoke": "Revoke", "revoke.about": "It stops working at once, for good.", "revoke.do": "Revoke it",

	"activity":     "What has happened to your account, newest first. Look for what was not you.",
	"activity.ask": "A recovery code was used. Was everything here your own doing?", "activity.mine": "Yes, that was me",
	"activity.none": "Nothing yet.", "activity.times": "%d times", "activity.by": "by support (%s)", "activity.why": "Reason: %s",
	"activity.notmine":       "Something was not you?",
	"activity.notmine.about": "Change your password, make new recovery codes, and revoke tokens that you do not know.",

	"stepup": "Confirm that it is you", "stepup.code": "This changes how your account is protected. Enter a code from your authenticator app, or a recovery code.",
	"stepup.password":    "This changes how your account is protected. Enter your password again.",
	"stepup.signin":      "This changes how your account is protected. Sign in again, then come back.",
	"stepup.toolittle":   "The code was right, but this takes one of the other kind: a recovery code replaces an authenticator, makes new codes and unlocks, and nothing else.",
	"stepup.needsfactor": "The password was right, but this takes two-factor sign-in.",

	"secondstep.app": "Open your authenticator app and type the code that it shows.", "secondstep.recovery": "Type one of your recovery codes. Each works once.",
	"secondstep.reset":       "Support has reset your two-factor sign-in. Type the single-use code that they have given you. You then pair a new authenticator app.",
	"secondstep.useapp":      "Use a code from the app",
	"secondstep.userecovery": "Use a recovery code", "secondstep.clock": "My codes are never accepted", "secondstep.lost": "I have lost both",
	"secondstep.other": "Sign in to another account", "secondstep.norecovery": "There are no recovery codes left.",
	"secondstep.nosupport": "That code has been used or has expired. Ask support for another.",

	"clock":       "The clock of your phone may be wrong. Type two codes that follow each other: one, and then the next when it has changed.",
	"clock.first": "First code", "clock.second": "Next code",

	"code.app": "Code from the app", "code.recovery": "Recovery code", "code.support": "Code from support", "code.either": "Code",
	"code.first": "Code from the app",

	"locked.until":    "Too many codes were wrong. Try again in %s.",
	"locked.disabled": "Too many codes were wrong: codes of the app are refused until you unlock them with a recovery code.",

	"wrong": "That did not work. See below.", "wrong.code": "This code is not right, or was used already. Wait for the next one.",
	"wrong.recovery": "This code is not right, or was used already.", "wrong.support": "This code is not right, was used already or has expired.",
	"wrong.locked": "Too many codes were wrong. Try again in %s.", "wrong.disabled": "Too many codes were wrong. Use another way in.",
	"wrong.password": "This password is not right.", "wrong.missing": "Fill this in.", "wrong.name": "A name is up to 64 letters, without control characters.",
	"wrong.saved": "Save the recovery codes first, and say so here.", "wrong.first": "This is not the code that the app shows now. You have %d tries left.",
	"wrong.sure": "Say that you understand.", "wrong.clock": "These are not two codes of this app that follow each other.",
	"wrong.scope": "Choose at least one.", "wrong.days": "Choose one of these.", "wrong.resources": "At least one of these is not the ID of a resource.",
	"wrong.networks": "At least one of these is neither an address nor a network.", "wrong.request": "A token like this is not allowed.",
	"wrong.full": "You have as many tokens as you may have. Revoke one first.",

	"notice.renamed": "The name is saved.", "notice.removed": "The authenticator is removed.", "notice.cancelled": "The pairing is given up.",
	"notice.unlocked": "It is unlocked.", "notice.disabled": "Two-factor sign-in is off.", "notice.saved": "Noted: your recovery codes are saved.",
	"notice.reviewed": "Noted: it was you.", "notice.renewed": "The token works again.", "notice.revoked": "The token is revoked.",
	"notice.allrevoked": "All tokens are revoked.", "notice.unsure": "Nothing was revoked: tick the box to say that you understand.",
	"notice.clock": "The clock is mended. Now sign in with the app's next code.",

	"message.missing.title": "There is no such page", "message.missing": "It may have been moved, or belong to another account.",
	"message.method.title": "That is not how this page is used", "message.method": "Go to it by its link.",
	"message.foreign.title": "This form came from another site", "message.foreign": "Nothing was done. If you have clicked on a link to get here, do not trust it.",
	"message.toobig.title": "That is too much", "message.toobig": "The form is larger than this page takes. Nothing was done.",
	"message.form.title": "This form cannot be read", "message.form": "Nothing was done. Go back and try again.",
	"message.stale.title": "This page was out of date",
	"message.stale": "The form was sent before, or something has changed since it was shown. It was not carried out this time. " +
		"See what the account is like now. If you have made a token or codes and did not see them, make others.",
	"message.invalid.title": "That cannot be done", "message.invalid": "Something in the form is not allowed. Nothing was done.",
	"message.busy.title": "Too much is going on", "message.busy": "Wait a moment and try again. Nothing was done.",
	"message.fault.title": "Something is wrong here", "message.fault": "It is not your doing. Nothing may have been changed. Try again in a while.",
	"message.expired.title": "This sign-in has ended", "message.expired": "It took too long, or was completed elsewhere. Sign in again.",
	"message.tries.title": "The pairing has ended", "message.tries": "Too many codes were wrong. Start again with a new picture.",

	"method.totp": "authenticator app", "method.recovery code": "recovery code", "method.operator code": "support's code", "method.none": "unknown",

	"event.enrolment begun": "Pairing of an authenticator begun", "event.enrolment confirmed": "Pairing confirmed", "event.enrolment abandoned": "Pairing given up",
	"event.verified": "Code accepted", "event.denied": "Wrong code", "event.locked": "Locked after wrong codes", "event.unlocked": "Unlocked",
	"event.throttled burst": "Codes refused while locked", "event.many failures": "Many wrong codes: somebody may know your password",
	"event.recovery code used": "Recovery code used", "event.recovery codes low": "Few recovery codes left", "event.recovery codes regenerated": "New recovery codes made",
	"event.recovery codes acknowledged": "Recovery codes saved", "event.operator code made": "Support made a single-use code", "event.operator code used": "Support's code used",
	"event.authenticator added": "Authenticator added", "event.authenticator renamed": "Authenticator renamed", "event.authenticator removed": "Authenticator removed",
	"event.authenticator resynced": "Authenticator's clock mended", "event.two-factor off": "Two-factor sign-in turned off", "event.password changed": "Password changed",
	"event.reset": "Support reset two-factor sign-in", "event.suspended": "Account suspended", "event.resumed": "Suspension ended", "event.key moved": "Secrets moved to a new key",
	"event.imported": "Taken over from another system", "event.deleted": "Account deleted", "event.token minted": "Token made", "event.token first used": "Token used for the first time",
	"event.token used from a new address": "Token used from a new address", "event.token rotated": "Token rotated", "event.token renewed": "Token renewed",
	"event.token reused after rotation": "Old copy of a token was used", "event.token expiring": "Token about to expire", "event.token suspended": "Token waits for two-factor sign-in",
	"event.token revoked": "Token revoked", "event.all tokens revoked": "All tokens revoked", "event.token purged": "Token removed from the list",
	"event.risk accepted": "Risk accepted", "event.risk withdrawn": "Risk no longer accepted", "event.activity reviewed": "You looked at the activity",
	"event.posture changed": "Protection changed", "event.posture rules changed": "Rules of protection changed", "event.restored from a backup": "Restored from a backup",
}
