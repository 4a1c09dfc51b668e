// @stellar/stellar-sdk for JavaScript against a running soroban-localnet, unchanged.
//
// SOROBAN_RPC_URL names the network, which is started with --control; TEST_CONTRACT the compiled
// contract of localnet/tests. `make clients` sets both.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { promisify } from "node:util";
import {
  Asset,
  BASE_FEE,
  Contract,
  Keypair,
  Operation,
  SorobanDataBuilder,
  TransactionBuilder,
  contract,
  nativeToScVal,
  rpc,
  scValToNative,
} from "@stellar/stellar-sdk";

const url = process.env.SOROBAN_RPC_URL;
const code = await readFile(process.env.TEST_CONTRACT);
const server = new rpc.Server(url, { allowHttp: true });
const [alice, bob, carol] = [Keypair.random(), Keypair.random(), Keypair.random()];
const TEMPORARY = 0;
const PERSISTENT = 1;

let passphrase;
let wasmHash;
let contractId;

before(async () => {
  ({ passphrase } = await server.getNetwork());
  for (const person of [alice, bob, carol]) await server.fundAddress(person.publicKey());
  const uploaded = await send(alice, Operation.uploadContractWasm({ wasm: code }));
  wasmHash = Buffer.from(scValToNative(uploaded.returnValue));
  const deployed = await contract.Client.deploy(null, { ...options(alice), wasmHash });
  const { result } = await deployed.signAndSend();
  contractId = result.options.contractId;
});

function options(person) {
  return {
    rpcUrl: url,
    allowHttp: true,
    networkPassphrase: passphrase,
    publicKey: person.publicKey(),
    ...contract.basicNodeSigner(person, passphrase),
  };
}

/** The client whose methods are generated from the contract's spec. */
function client(person) {
  return contract.Client.from({ ...options(person), contractId });
}

/** Build, prepare where it is a contract's, sign and send one transaction. */
async function send(person, operation, { classic = false, sorobanData, timeout = 60 } = {}) {
  const account = await server.getAccount(person.publicKey());
  const parameters = { fee: BASE_FEE, networkPassphrase: passphrase, sorobanData };
  let transaction = new TransactionBuilder(account, parameters)
    .addOperation(operation)
    .setTimeout(timeout)
    .build();
  if (!classic) transaction = await server.prepareTransaction(transaction);
  transaction.sign(person);
  const sent = await server.sendTransaction(transaction);
  assert.equal(sent.status, "PENDING");
  const found = await server.pollTransaction(sent.hash);
  assert.equal(found.status, rpc.Api.GetTransactionStatus.SUCCESS);
  return found;
}

async function control(method, params) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const headers = { "content-type": "application/json" };
  const answer = await (await fetch(url, { method: "POST", headers, body })).json();
  assert.equal(answer.error, undefined, JSON.stringify(answer.error));
  return answer.result;
}

test("the network tells what it is", async () => {
  assert.equal((await server.getHealth()).status, "healthy");
  const { protocolVersion } = await server.getNetwork();
  const latest = await server.getLatestLedger();
  assert.equal(Number(latest.protocolVersion), Number(protocolVersion));
  const version = await server.getVersionInfo();
  assert.equal(Number(version.protocolVersion ?? version.protocol_version), Number(protocolVersion));
  const fees = await server.getFeeStats();
  assert.ok(Number(fees.sorobanInclusionFee.transactionCount) >= 1);
});

test("an account is funded once", async () => {
  const { balance } = await server.getAccountEntry(carol.publicKey());
  assert.equal(balance, 100_000_000_000n);
  const again = await fetch(`${(await server.getNetwork()).friendbotUrl}?addr=${carol.publicKey()}`);
  assert.equal(again.status, 400);
  assert.match(await again.text(), /op_already_exists/);
});

test("a client generated from the spec calls, with the source account's credentials", async () => {
  const counter = await client(alice);
  const added = await counter.add({ kind: PERSISTENT, name: "visits", amount: 5n });
  assert.equal((await added.signAndSend()).result, 5n);
  const { result } = await counter.get({ kind: PERSISTENT, name: "visits" });
  assert.equal(result, 5n);
});

test("bindings for TypeScript are generated from the deployed contract", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bindings-"));
  try {
    const command = ["node_modules/@stellar/stellar-sdk/bin/stellar-js", "generate"];
    const source = ["--contract-id", contractId, "--rpc-url", url, "--allow-http"];
    const target = ["--network", "localnet", "--output-dir", join(folder, "counter")];
    await promisify(execFile)(process.execPath, [...command, ...source, ...target]);
    const generated = await readFile(join(folder, "counter/src/client.ts"), "utf8");
    assert.match(generated, /add\(args: \{ kind: Kind; name: string; amount: bigint \}/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("another account signs by an authorisation entry of its own", async () => {
  const call = await (await client(alice)).approve({ who: bob.publicKey(), amount: 7n });
  assert.deepEqual(call.needsNonInvokerSigningBy(), [bob.publicKey()]);
  await call.signAuthEntries({
    address: bob.publicKey(),
    signAuthEntry: contract.basicNodeSigner(bob, passphrase).signAuthEntry,
  });
  assert.equal((await call.signAndSend()).result, 7n);
});

test("two accounts sign one call that a third one sends", async () => {
  const parties = { first: bob.publicKey(), second: carol.publicKey() };
  const call = await (await client(alice)).approve_both(parties);
  assert.deepEqual(call.needsNonInvokerSigningBy().sort(), Object.values(parties).sort());
  for (const person of [bob, carol]) {
    await call.signAuthEntries({
      address: person.publicKey(),
      signAuthEntry: contract.basicNodeSigner(person, passphrase).signAuthEntry,
    });
  }
  const { getTransactionResponse } = await call.signAndSend();
  assert.equal(getTransactionResponse.status, rpc.Api.GetTransactionStatus.SUCCESS);
});

test("without the second signature the client refuses to send", async () => {
  const call = await (await client(alice)).approve({ who: bob.publicKey(), amount: 7n });
  await assert.rejects(call.signAndSend(), contract.AssembledTransaction.Errors.NeedsMoreSignatures);
});

test("a contract's error number reaches the caller", async () => {
  const call = await (await client(alice)).fail({ code: 42 });
  assert.match(call.simulation.error, /Error\(Contract, #42\)/);
});

test("events are found by contract and topic", async () => {
  const { sequence } = await server.getLatestLedger();
  const emit = await (await client(alice)).emit({ count: 3, size: 4 });
  await emit.signAndSend({ force: true }); // it writes nothing, so the client takes it for a read
  const topics = [[nativeToScVal("filled", { type: "symbol" }).toXDR("base64"), "*"]];
  const filters = [{ type: "contract", contractIds: [contractId], topics }];
  const first = await server.getEvents({ startLedger: sequence, filters, limit: 2 });
  const rest = await server.getEvents({ cursor: first.cursor, filters, limit: 2 });
  const indexes = [...first.events, ...rest.events].map((event) => scValToNative(event.topic[1]));
  assert.deepEqual(indexes, [0, 1, 2]);
  const [event] = first.events;
  assert.equal(event.contractId.contractId(), contractId);
  assert.equal(scValToNative(event.value).length, 4);
  assert.ok(event.inSuccessfulContractCall ?? true);
});

test("transactions and ledgers are listed with their XDR", async () => {
  const { sequence } = await server.getLatestLedger();
  const startLedger = Math.max(sequence - 5, 1);
  const { transactions } = await server.getTransactions({ startLedger, pagination: { limit: 5 } });
  assert.ok(transactions.length > 0);
  assert.ok(transactions.every((found) => found.status === "SUCCESS" && found.envelopeXdr));
  const { ledgers } = await server.getLedgers({ startLedger, pagination: { limit: 3 } });
  assert.equal(ledgers.length, 3);
  for (const [index, ledger] of ledgers.slice(1).entries()) {
    const { previousLedgerHash } = ledger.headerXdr.header;
    assert.equal(Buffer.from(previousLedgerHash.value ?? previousLedgerHash).toString("hex"), ledgers[index].hash);
  }
});

test("a fee bump pays for somebody else's transaction", async () => {
  const account = await server.getAccount(bob.publicKey());
  const inner = new TransactionBuilder(account, { fee: BASE_FEE, networkPassphrase: passphrase })
    .addOperation(
      Operation.payment({ destination: carol.publicKey(), asset: Asset.native(), amount: "1" }),
    )
    .setTimeout(60)
    .build();
  inner.sign(bob);
  const bumped = TransactionBuilder.buildFeeBumpTransaction(alice, "1000", inner, passphrase);
  bumped.sign(alice);
  const before = (await server.getAccountEntry(bob.publicKey())).balance;
  const sent = await server.sendTransaction(bumped);
  const found = await server.pollTransaction(sent.hash);
  assert.equal(found.status, rpc.Api.GetTransactionStatus.SUCCESS);
  assert.equal(found.feeBump, true);
  assert.equal((await server.getAccountEntry(bob.publicKey())).balance, before - 10_000_000n);
});

test("an issued asset moves through its Stellar Asset Contract", async () => {
  const asset = new Asset("GOLD", alice.publicKey());
  await send(bob, Operation.changeTrust({ asset }), { classic: true });
  await send(
    alice,
    Operation.payment({ destination: bob.publicKey(), asset, amount: "10" }),
    { classic: true },
  );
  await send(alice, Operation.createStellarAssetContract({ asset }));
  const token = asset.contractId(passphrase);
  const values = [bob.publicKey(), contractId].map((id) => nativeToScVal(id, { type: "address" }));
  await send(
    bob,
    Operation.invokeContractFunction({
      contract: token,
      function: "transfer",
      args: [...values, nativeToScVal(30_000_000n, { type: "i128" })],
    }),
  );
  const { balanceEntry } = await server.getAssetBalance(contractId, asset, passphrase);
  assert.equal(BigInt(balanceEntry.amount), 30_000_000n);
  assert.equal((await server.getTrustline(bob.publicKey(), asset)).balance, 70_000_000n);
});

test("an archived entry is restored by the client before it calls", async () => {
  const counter = await client(alice);
  await (await counter.add({ kind: PERSISTENT, name: "old", amount: 1n })).signAndSend();
  await (await counter.add({ kind: TEMPORARY, name: "old", amount: 1n })).signAndSend();
  await control("localnet_advanceLedgers", { count: 130_000 });
  const aged = await (await client(alice)).add(
    { kind: PERSISTENT, name: "old", amount: 1n },
    { restore: true, timeoutInSeconds: 0 },
  );
  const { result } = await aged.signAndSend();
  assert.equal(result, 2n);
  const gone = await (await client(alice)).get({ kind: TEMPORARY, name: "old" });
  assert.equal(gone.result, null);
});

test("archived entries are restored by an operation of its own", async () => {
  const counter = await client(alice);
  const counted = { kind: PERSISTENT, name: "older", amount: 1n };
  // time may have been moved: it is the network's, and a bound would be the machine's
  await (await counter.add(counted, { timeoutInSeconds: 0 })).signAndSend();
  const name = nativeToScVal("older", { type: "symbol" });
  const { key } = await server.getContractData(contractId, name);
  await control("localnet_advanceLedgers", { count: 130_000 });
  const footprint = [new Contract(contractId).getFootprint(), key];
  assert.ok((await liveUntil(...footprint)).every((ledger) => ledger === 0));
  const sorobanData = new SorobanDataBuilder().setReadWrite(footprint).build();
  await send(alice, Operation.restoreFootprint({}), { sorobanData, timeout: 0 });
  const { sequence } = await server.getLatestLedger();
  assert.ok((await liveUntil(...footprint)).every((ledger) => ledger > sequence));
});

async function liveUntil(...keys) {
  const { entries } = await server.getLedgerEntries(...keys);
  return entries.map((entry) => entry.liveUntilLedgerSeq);
}
