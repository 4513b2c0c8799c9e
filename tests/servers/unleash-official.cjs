// What the official SDK for Node.js answers: a payload a user, or null while the flag is off.
//
//   UNLEASH_URL=... UNLEASH_API_TOKEN=... node unleash-official.cjs FLAG '[["user-1", "eu"], ...]'
//
// Run it in the folder of the server's packages, which the SDK is among.
const path = require('node:path');
const { Unleash } = require(path.join(process.cwd(), 'node_modules/unleash-client'));

const [flag, users] = [process.argv[2], JSON.parse(process.argv[3])];
const sdk = new Unleash({
  url: process.env.UNLEASH_URL,
  appName: 'oracle',
  customHeaders: { Authorization: process.env.UNLEASH_API_TOKEN },
  disableMetrics: true,
  storageProvider: { set: async () => {}, get: async () => undefined },
});
sdk.on('error', (error) => {
  console.error(error.message);
  process.exit(1);
});
sdk.once('synchronized', () => {
  const answers = users.map(([userId, region]) => {
    const context = { userId, properties: { region } };
    if (!sdk.isEnabled(flag, context)) return null;
    return sdk.getVariant(flag, context).payload.value;
  });
  process.stdout.write(JSON.stringify(answers), () => process.exit(0));
});
