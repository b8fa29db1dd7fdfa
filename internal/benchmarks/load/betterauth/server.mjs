// better-auth with e-mail, password and its plugin twoFactor on PostgreSQL, with its defaults for production: sessions in
// the database, secrets sealed, limits by address and by account. Only the hash of passwords is another one, the same as
// that of all servers (passwordHash in accounts.go), as hashes are slow on purpose and are not measured.
//
//	node server.mjs DSN ACCOUNTS
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { symmetricEncrypt } from "better-auth/crypto";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { twoFactor } from "better-auth/plugins";
import pg from "pg";

const [dsn, accounts] = process.argv.slice(2);
const secret = "a secret of the load program, no other one's";
const database = new pg.Pool({ connectionString: dsn, max: 16 });
const hashed = (text) => createHash("sha256").update(text).digest("hex");

let handler;
const server = createServer((request, response) => handler(request, response));
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${server.address().port}`;

const auth = betterAuth({
	database,
	secret,
	baseURL: url,
	telemetry: { enabled: false },
	emailAndPassword: {
		enabled: true,
		password: {
			hash: async (password) => hashed(password),
			verify: async ({ hash, password }) => timingSafeEqual(Buffer.from(hash), Buffer.from(hashed(password))),
		},
	},
	advanced: { ipAddress: { ipAddressHeaders: ["x-forwarded-for"] } },
	plugins: [twoFactor({ issuer: "Acme" })],
});
handler = toNodeHandler(auth);
await (await getMigrations(auth.options)).runMigrations();

// The rows that sign-up and a confirmed enrollment leave behind, in chunks. Accounts and their secrets are those of
// accounts.go.
const password = hashed("correct horse battery staple");
const now = new Date();
const insert = (table, columns, rows) => {
	const width = rows[0].length;
	const marks = rows.map((_, i) => `(${columns.map((_, j) => `$${i * width + j + 1}`).join(", ")})`).join(", ");
	return database.query(`INSERT INTO "${table}" (${columns.map((c) => `"${c}"`).join(", ")}) VALUES ${marks}`, rows.flat());
};
for (let from = 0; from < Number(accounts); from += 500) {
	const ids = [];
	for (let i = from; i < Math.min(from + 500, Number(accounts)); i++) ids.push(`user-${String(i).padStart(7, "0")}`);
	await insert("user", ["id", "name", "email", "emailVerified", "createdAt", "updatedAt", "twoFactorEnabled"],
		ids.map((id) => [id, id, `${id}@example.com`, true, now, now, true]));
	await insert("account", ["id", "accountId", "providerId", "userId", "password", "createdAt", "updatedAt"],
		ids.map((id) => [`a-${id}`, id, "credential", id, password, now, now]));
	await insert("twoFactor", ["id", "secret", "backupCodes", "userId", "verified"],
		await Promise.all(ids.map(async (id) => [
			`t-${id}`, await symmetricEncrypt({ key: secret, data: hashed(`secret of ${id}`).slice(0, 32) }),
			await symmetricEncrypt({ key: secret, data: "[]" }), id, true,
		])));
}
await database.query("ANALYZE");
console.log(url);
