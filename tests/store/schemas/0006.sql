BEGIN;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO _sqlite_migrations VALUES (1, 'store', '0001_runs_and_events', '2026-11-28 19:21:01.851603+00:00');
INSERT INTO _sqlite_migrations VALUES (2, 'store', '0002_experiments', '2026-11-28 19:21:01.851973+00:00');
INSERT INTO _sqlite_migrations VALUES (3, 'store', '0003_classifications', '2026-11-28 19:21:01.852182+00:00');
INSERT INTO _sqlite_migrations VALUES (4, 'store', '0004_rollouts', '2026-11-28 19:21:01.852921+00:00');
INSERT INTO _sqlite_migrations VALUES (5, 'store', '0005_jobs', '2026-11-28 19:21:01.853236+00:00');
INSERT INTO _sqlite_migrations VALUES (6, 'store', '0006_lists', '2026-11-28 19:21:01.871218+00:00');
CREATE TABLE blobs ( -- long texts, each held once
  hash TEXT PRIMARY KEY NOT NULL, -- blake2b of the text, 40 hex digits
  codec TEXT NOT NULL, -- raw or zstd
  size INTEGER NOT NULL, -- bytes of the text before compression
  data BLOB NOT NULL -- UTF-8, lone surrogates kept
);
INSERT INTO blobs VALUES ('49db8c8d44b2969c4c42c709315759c8bdcbff47', 'zstd', 3700, X'28B52FFD60740D7501005402577269746520612066756E6374696F6E207468617420736965766573207072696D65732E0A01006532F2D513');
INSERT INTO blobs VALUES ('ce7f412538be5fe5e3bbf3c355fd3f78ae06a0da', 'zstd', 2600, X'28B52FFD602809AD000068657261746F737468656E657320010018027F7E01');
INSERT INTO blobs VALUES ('6ef390c2e583340262b078d105025b1f9aa94744', 'zstd', 2023, X'28B52FFD60E706FD0000C0636C61737320576F726B666C6F773A202E2E2E2020232078010030FF8331');
INSERT INTO blobs VALUES ('7e62ab2f4b3ec7a1e62053a00a7a1fba75f0c0fb', 'raw', 7, X'50203D20277027');
INSERT INTO blobs VALUES ('fced3a6eef70eb8d651522ce12281ad3f7bc108a', 'zstd', 5000, X'28B52FFD6088124D0000107878010083D3032C');
INSERT INTO blobs VALUES ('28bd441eb04b89e744a58059f7eb95bf9cc4d41c', 'zstd', 5000, X'28B52FFD6088124D0000107979010083D3032C');
CREATE TABLE variants ( -- named meta-agent configurations, content-addressed
  id TEXT PRIMARY KEY NOT NULL, -- hash of the other columns
  name TEXT NOT NULL, -- variant name
  meta_agent TEXT NOT NULL, -- model that writes workflows
  worker TEXT NOT NULL, -- model that operators call
  config TEXT NOT NULL -- options the run was started with, JSON
);
INSERT INTO variants VALUES ('35f557216d108c717f76d06b62a300ffb1d2c1f6', 'flowreasoner', 'm', 'w', '{"rounds": 2}');
CREATE TABLE runs ( -- one variant on one problem
  id TEXT PRIMARY KEY NOT NULL, -- run id
  problem_id TEXT NOT NULL, -- the problem's id
  benchmark TEXT, -- metadata.benchmark of the problem
  prompt TEXT NOT NULL, -- the query's beginning, on one line
  variant TEXT NOT NULL, -- variants.name
  variant_id TEXT NOT NULL, -- the configuration
  meta_agent TEXT NOT NULL, -- model that writes workflows
  worker TEXT NOT NULL, -- model that operators call
  seed INTEGER NOT NULL, -- seed of the run
  sandbox TEXT NOT NULL, -- sandbox backend
  status TEXT NOT NULL, -- running, then the status of run_finished
  score REAL, -- on the test split, 0 to 1
  val_score REAL, -- best mean on the val split, 0 to 1
  strict INTEGER, -- 1 when the scored workflow ran as written, 0 when it was repaired
  started_at REAL NOT NULL, -- Unix seconds
  ended_at REAL, -- Unix seconds
  tokens_in INTEGER NOT NULL, -- so far, then the ledger's total
  tokens_out INTEGER NOT NULL, -- so far, then the ledger's total
  cost_usd REAL, -- so far, then the ledger's total; NULL is unknown
  wall_ms REAL, -- whole run
  model_calls INTEGER NOT NULL, -- finished calls
  steps INTEGER NOT NULL, -- started steps
  workflow_id TEXT, -- the scored workflow
  error TEXT, -- one sentence, shortened
  error_sig TEXT, -- where and how it failed, without numbers, paths and quotes
  tests_written_by TEXT, -- author or model; NULL without tests
  owner_pid INTEGER NOT NULL, -- recording process
  owner_start INTEGER NOT NULL, -- its start, in clock ticks since boot
  owner_boot TEXT NOT NULL -- boot id and pid namespace that both belong to
, job TEXT -- training job of a rollout, else NULL
 DEFAULT NULL);
INSERT INTO runs VALUES ('r1', 'HumanEval/0', 'humaneval', 'Write a function that sieves primes. Write a function that sieves primes. Write a function that sieves primes. Write a function that sieves primes. Write a function that sieves primes. Write a functi…', 'flowreasoner', '35f557216d108c717f76d06b62a300ffb1d2c1f6', 'm', 'w', 1, 'docker', 'passed', 1.0, 0.5, 0, 1000.0, 1014.0, 10, 20, 0.1, 10000.0, 1, 1, 'wf1', NULL, NULL, 'author', 1, 1, '', NULL);
CREATE TABLE events ( -- every event of every run; all other tables derive from it
  id INTEGER PRIMARY KEY, -- order of arrival
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  seq INTEGER NOT NULL, -- number within the run
  at REAL NOT NULL, -- Unix seconds
  kind TEXT NOT NULL, -- event kind
  payload BLOB NOT NULL, -- other fields as JSON; long texts as {"$blob": hash}
  UNIQUE (run_id, seq)
);
INSERT INTO events VALUES (1, 'r1', 0, 1000.0, 'run_started', '{"mono":0.0,"problem":{"id":"HumanEval/0","prompt":{"$blob":"49db8c8d44b2969c4c42c709315759c8bdcbff47"},"tests":{"visible":["assert True"]},"metadata":{"benchmark":"humaneval"}},"variant":"flowreasoner","meta_agent":"m","worker":"w","seed":1,"sandbox":"docker","config":{"rounds":2},"origin":{},"weights":{}}');
INSERT INTO events VALUES (2, 'r1', 1, 1001.0, 'round_started', '{"mono":1.0,"round":1}');
INSERT INTO events VALUES (3, 'r1', 2, 1002.0, 'model_call_started', '{"mono":2.0,"call_id":"c1","role":"meta","model":"m","step_id":null,"messages":[{"role":"user","content":{"$blob":"49db8c8d44b2969c4c42c709315759c8bdcbff47"}},{"role":"user","content":"hint r1"}],"params":{"temperature":0.5}}');
INSERT INTO events VALUES (4, 'r1', 3, 1003.0, 'model_delta', '{"mono":3.0,"call_id":"c1","channel":"text","text":"<graph>"}');
INSERT INTO events VALUES (5, 'r1', 4, 1004.0, 'model_retry', '{"mono":4.0,"call_id":"c1","attempt":2,"reason":"429","wait_s":1.0}');
INSERT INTO events VALUES (6, 'r1', 5, 1005.0, 'model_call_finished', '{"mono":5.0,"call_id":"c1","text":"answer of r1","reasoning":{"$blob":"ce7f412538be5fe5e3bbf3c355fd3f78ae06a0da"},"finish":"stop","tokens_in":7,"tokens_out":3,"cost_usd":0.25,"ttft_ms":5.0,"wall_ms":50.0,"flags":["estimated-tokens"],"error":null,"sampled":{}}');
INSERT INTO events VALUES (7, 'r1', 6, 1006.0, 'workflow_proposed', '{"mono":6.0,"round":1,"workflow_id":"wf1","code":{"$blob":"6ef390c2e583340262b078d105025b1f9aa94744"},"prompts":"P = ''p''","modification":"first","strict_ok":false,"diagnostics":[{"code":"W1"}],"repairs":[{"code":"R1"}],"graph":{"nodes":["Custom"]},"complexity":12,"call_id":null,"turn":null}');
INSERT INTO events VALUES (8, 'r1', 7, 1007.0, 'workflow_started', '{"mono":7.0,"execution_id":"e1","workflow_id":"wf1","round":1,"repeat":0,"purpose":"val","container_id":"box"}');
INSERT INTO events VALUES (9, 'r1', 8, 1008.0, 'step_started', '{"mono":8.0,"step_id":"s1","execution_id":"e1","index":0,"operator":"Custom","line":3,"key":"k1","inputs":{"q":{"$blob":"fced3a6eef70eb8d651522ce12281ad3f7bc108a"}}}');
INSERT INTO events VALUES (10, 'r1', 9, 1009.0, 'code_executed', '{"mono":9.0,"step_id":"s1","purpose":"program","code":"print(1)","verdict":{"status":"passed","tests":[]},"files":[]}');
INSERT INTO events VALUES (11, 'r1', 10, 1010.0, 'step_finished', '{"mono":10.0,"step_id":"s1","status":"ok","output":{"response":{"$blob":"28bd441eb04b89e744a58059f7eb95bf9cc4d41c"},"$blob":1},"error":null,"reused":false,"wall_ms":1.0,"cpu_ms":1.0,"tokens_in":7,"tokens_out":3,"cost_usd":0.25,"stdout":"","notes":[]}');
INSERT INTO events VALUES (12, 'r1', 11, 1011.0, 'workflow_finished', '{"mono":11.0,"execution_id":"e1","status":"ok","answer":"42","error":null,"stdout":"","wall_ms":2.0,"cpu_ms":1.0}');
INSERT INTO events VALUES (13, 'r1', 12, 1012.0, 'evaluation_finished', '{"mono":12.0,"execution_id":"e1","workflow_id":"wf1","split":"test","repeat":0,"score":1.0,"passed":1,"total":1,"strict":false,"tests_written_by":"author","verdict":{"status":"passed","tests":[]}}');
INSERT INTO events VALUES (14, 'r1', 13, 1013.0, 'round_finished', '{"mono":13.0,"round":1,"workflow_id":"wf1","score":0.5,"feedback":"good"}');
INSERT INTO events VALUES (15, 'r1', 14, 1014.0, 'run_finished', '{"mono":14.0,"status":"passed","score":1.0,"val_score":0.5,"answer":"42","workflow_id":"wf1","error":null,"tokens_in":10,"tokens_out":20,"cost_usd":0.1,"model_calls":1,"steps":1,"wall_ms":10000.0}');
CREATE TABLE blob_refs ( -- which runs need which blobs, so that pruning can tell
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  hash TEXT NOT NULL REFERENCES blobs(hash), -- blob
  PRIMARY KEY (run_id, hash)
) WITHOUT ROWID;
INSERT INTO blob_refs VALUES ('r1', '28bd441eb04b89e744a58059f7eb95bf9cc4d41c');
INSERT INTO blob_refs VALUES ('r1', '49db8c8d44b2969c4c42c709315759c8bdcbff47');
INSERT INTO blob_refs VALUES ('r1', '6ef390c2e583340262b078d105025b1f9aa94744');
INSERT INTO blob_refs VALUES ('r1', '7e62ab2f4b3ec7a1e62053a00a7a1fba75f0c0fb');
INSERT INTO blob_refs VALUES ('r1', 'ce7f412538be5fe5e3bbf3c355fd3f78ae06a0da');
INSERT INTO blob_refs VALUES ('r1', 'fced3a6eef70eb8d651522ce12281ad3f7bc108a');
CREATE TABLE workflows ( -- generated workflows, content-addressed
  id TEXT PRIMARY KEY NOT NULL, -- workflow id
  code_hash TEXT NOT NULL, -- blob of the source
  prompts_hash TEXT NOT NULL, -- blob of its prompts
  graph TEXT NOT NULL, -- static operator graph, JSON
  complexity INTEGER NOT NULL, -- of its syntax tree
  first_seen REAL NOT NULL -- Unix seconds
);
INSERT INTO workflows VALUES ('wf1', '6ef390c2e583340262b078d105025b1f9aa94744', '7e62ab2f4b3ec7a1e62053a00a7a1fba75f0c0fb', '{"nodes": ["Custom"]}', 12, 1006.0);
CREATE TABLE rounds ( -- propose, check, run, feedback
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  round INTEGER NOT NULL, -- from 1
  started_at REAL, -- Unix seconds
  ended_at REAL, -- Unix seconds
  workflow_id TEXT, -- the round's workflow
  score REAL, -- mean pass rate on val
  finished_seq INTEGER, -- event with the feedback
  PRIMARY KEY (run_id, round)
);
INSERT INTO rounds VALUES ('r1', 1, 1001.0, 1013.0, 'wf1', 0.5, 13);
CREATE TABLE proposals ( -- completions of the meta-agent, parsed
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  seq INTEGER NOT NULL, -- event
  round INTEGER NOT NULL, -- from 1
  workflow_id TEXT, -- NULL when nothing runnable came out
  strict_ok INTEGER NOT NULL, -- 1 when no repair was needed
  PRIMARY KEY (run_id, seq)
);
INSERT INTO proposals VALUES ('r1', 6, 1, 'wf1', 0);
CREATE TABLE steps ( -- operator calls
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  id TEXT NOT NULL, -- step id
  execution_id TEXT NOT NULL, -- execution of the workflow
  idx INTEGER NOT NULL, -- number within the execution, from 0
  operator TEXT NOT NULL, -- operator
  line INTEGER, -- line of the workflow's source
  key TEXT NOT NULL, -- content address that replay matches on
  status TEXT NOT NULL, -- running, then the status of step_finished
  error TEXT, -- shortened
  reused INTEGER, -- 1 when the output was replayed
  started_at REAL NOT NULL, -- Unix seconds
  wall_ms REAL, -- duration
  cpu_ms REAL, -- processor time
  tokens_in INTEGER, -- of its model calls
  tokens_out INTEGER, -- of its model calls
  cost_usd REAL, -- of its model calls; NULL is unknown
  started_seq INTEGER NOT NULL, -- event with the inputs
  finished_seq INTEGER, -- event with the output
  PRIMARY KEY (run_id, id)
);
INSERT INTO steps VALUES ('r1', 's1', 'e1', 0, 'Custom', 3, 'k1', 'ok', NULL, 0, 1008.0, 1.0, 1.0, 7, 3, 0.25, 8, 10);
CREATE TABLE model_calls ( -- calls to a model
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  id TEXT NOT NULL, -- call id
  step_id TEXT, -- NULL for the meta-agent
  role TEXT NOT NULL, -- meta or worker
  model TEXT NOT NULL, -- model
  finish TEXT, -- reason the text ended; NULL while running
  retries INTEGER NOT NULL, -- failed attempts before the last
  error TEXT, -- shortened
  started_at REAL NOT NULL, -- Unix seconds
  tokens_in INTEGER, -- of the prompt
  tokens_out INTEGER, -- of reasoning and text
  cost_usd REAL, -- NULL is unknown
  ttft_ms REAL, -- time to the first token
  wall_ms REAL, -- duration
  started_seq INTEGER NOT NULL, -- event with the prompt
  finished_seq INTEGER, -- event with the response
  PRIMARY KEY (run_id, id)
);
INSERT INTO model_calls VALUES ('r1', 'c1', NULL, 'meta', 'm', 'stop', 1, NULL, 1002.0, 7, 3, 0.25, 5.0, 50.0, 2, 5);
CREATE TABLE executions ( -- code run in the sandbox on behalf of a step
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  seq INTEGER NOT NULL, -- event with code and verdict
  step_id TEXT, -- step
  purpose TEXT NOT NULL, -- visible-tests or program
  status TEXT, -- of the verdict
  at REAL NOT NULL, -- Unix seconds
  PRIMARY KEY (run_id, seq)
);
INSERT INTO executions VALUES ('r1', 9, 's1', 'program', 'passed', 1009.0);
CREATE TABLE evaluations ( -- answers scored in a fresh sandbox
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  seq INTEGER NOT NULL, -- event with the verdict
  execution_id TEXT, -- execution of the workflow
  workflow_id TEXT, -- workflow
  split TEXT NOT NULL, -- visible, val or test
  repeat INTEGER NOT NULL, -- repetition
  score REAL, -- passed / total; NULL when the sandbox failed
  passed INTEGER NOT NULL, -- tests
  total INTEGER NOT NULL, -- tests
  strict INTEGER NOT NULL, -- 0 when the workflow had been repaired
  tests_written_by TEXT NOT NULL, -- author or model
  status TEXT, -- of the verdict
  PRIMARY KEY (run_id, seq)
);
INSERT INTO evaluations VALUES ('r1', 12, 'e1', 'wf1', 'test', 0, 1.0, 1, 1, 0, 'author', 'passed');
CREATE TABLE search_texts ( -- queries, prompts and responses, each once a run, for the full-text index
  id INTEGER PRIMARY KEY, -- an explicit key: implicit ones move when the file is compacted
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  hash TEXT NOT NULL, -- of the text
  kind TEXT NOT NULL, -- query, prompt, response or reasoning
  call_id TEXT, -- first model call with this text
  step_id TEXT, -- its step
  text TEXT NOT NULL, -- the text's beginning
  UNIQUE (run_id, hash)
);
INSERT INTO search_texts VALUES (1, 'r1', '639579607019f1d496b90ee92e87689d1480f9d3', 'query', NULL, NULL, 'HumanEval/0
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
');
INSERT INTO search_texts VALUES (2, 'r1', '49db8c8d44b2969c4c42c709315759c8bdcbff47', 'prompt', 'c1', NULL, 'Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
Write a function that sieves primes.
');
INSERT INTO search_texts VALUES (3, 'r1', '45a8d7aec0ce1905e33573cba7f59f64aeca48e5', 'prompt', 'c1', NULL, 'hint r1');
INSERT INTO search_texts VALUES (4, 'r1', 'b6e43566f05dae2351077c3b4134397948926cdb', 'response', 'c1', NULL, 'answer of r1');
INSERT INTO search_texts VALUES (5, 'r1', 'ce7f412538be5fe5e3bbf3c355fd3f78ae06a0da', 'reasoning', 'c1', NULL, 'eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes eratosthenes ');
CREATE TABLE origins ( -- where runs come from that are not runs of their own
  run_id TEXT PRIMARY KEY NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  experiment TEXT, -- experiments.name
  trial TEXT, -- its place in the experiment, the same on every attempt
  stage TEXT, -- search or final
  parent TEXT, -- the run it was forked from
  forked_at TEXT -- the parent's step at which it leaves the parent
);
CREATE TABLE experiments ( -- variants on the problems of a benchmark
  name TEXT PRIMARY KEY NOT NULL, -- name
  benchmark TEXT NOT NULL, -- benchmark or file, with its split
  plan TEXT NOT NULL, -- everything that decides which trials there are, JSON
  started_at REAL NOT NULL, -- Unix seconds
  owner_pid INTEGER, -- process that carries it out; NULL while none does
  owner_start INTEGER, -- its start, in clock ticks since boot
  owner_boot TEXT -- boot id and pid namespace that both belong to
);
CREATE TABLE journal ( -- what searches have done, so that a resumed one does not do it again
  experiment TEXT NOT NULL REFERENCES experiments(name) ON DELETE CASCADE, -- experiment
  key TEXT NOT NULL, -- JSON: the variant's label and the step; "" is what was found
  value TEXT NOT NULL, -- JSON
  at REAL NOT NULL, -- Unix seconds
  PRIMARY KEY (experiment, key)
) WITHOUT ROWID;
CREATE TABLE annotations ( -- what people and classifiers say of runs
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  kind TEXT NOT NULL, -- label, note, bookmark or training-set
  value TEXT NOT NULL, -- the label, the note's text or the set's name
  source TEXT NOT NULL, -- user or auto
  at REAL NOT NULL, -- Unix seconds
  PRIMARY KEY (run_id, kind, value)
) WITHOUT ROWID;
CREATE TABLE classifications ( -- runs that the classifier of failures has seen
  run_id TEXT PRIMARY KEY NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  version INTEGER NOT NULL, -- of the classifier; a newer one looks again
  findings TEXT NOT NULL, -- labels with their evidence, JSON
  refused TEXT NOT NULL -- labels a person took away, JSON; they do not come back
);
CREATE TABLE rollouts ( -- runs that a training job made to learn from
  run_id TEXT PRIMARY KEY NOT NULL REFERENCES runs(id) ON DELETE CASCADE, -- run
  job TEXT NOT NULL, -- training job
  step INTEGER, -- optimiser steps done before it
  group_id TEXT, -- the rollouts it is compared with
  candidate INTEGER -- its number in the group, from 0
);
CREATE TABLE jobs ( -- training jobs, as far as their folders have been read
  id TEXT PRIMARY KEY NOT NULL, -- job id
  kind TEXT NOT NULL, -- sft, grpo, dpo, maas or serve
  name TEXT NOT NULL, -- name
  host TEXT NOT NULL, -- local, or the name of a host of the settings
  parent TEXT, -- the job it was cloned from
  base TEXT, -- model it starts from
  dataset TEXT, -- folder of the rows it trains on
  created_at REAL NOT NULL, -- Unix seconds
  attempt INTEGER NOT NULL, -- the newest; a resumed job is at its second
  total_steps INTEGER, -- as the newest attempt says
  rows INTEGER, -- rows it trains on
  tokens INTEGER, -- tokens it trains on
  step INTEGER, -- newest step of the newest attempt
  begun_at REAL, -- Unix seconds: when the newest attempt began to train
  begun_step INTEGER, -- first step of the newest attempt
  heard_at REAL, -- Unix seconds: of the newest line of progress
  ended TEXT, -- done, failed or stopped, as the newest attempt says; NULL while it goes on
  error TEXT, -- one sentence
  read_bytes INTEGER NOT NULL, -- of progress.jsonl, up to a line's end
  damaged INTEGER NOT NULL -- lines that could not be understood
);
CREATE TABLE job_metrics ( -- what a job reports at each step; of a step taken twice, the newest attempt's
  job_id TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, -- job
  name TEXT NOT NULL, -- metric
  step INTEGER NOT NULL, -- optimiser step
  attempt INTEGER NOT NULL, -- attempt
  at REAL NOT NULL, -- Unix seconds
  value REAL, -- NULL where it was no finite number
  PRIMARY KEY (job_id, name, step)
) WITHOUT ROWID;
CREATE TABLE job_events ( -- starts, checkpoints, alerts and ends
  job_id TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, -- job
  offset INTEGER NOT NULL, -- where its line begins in progress.jsonl
  kind TEXT NOT NULL, -- start, checkpoint, alert or end
  attempt INTEGER NOT NULL, -- attempt
  at REAL NOT NULL, -- Unix seconds
  step INTEGER, -- of a checkpoint
  data TEXT NOT NULL, -- the line's other fields, JSON
  PRIMARY KEY (job_id, offset)
) WITHOUT ROWID;
CREATE TABLE job_candidates ( -- rollouts of a step, in groups that answer the same problem
  job_id TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, -- job
  step INTEGER NOT NULL, -- optimiser step
  group_id TEXT NOT NULL, -- group
  candidate INTEGER NOT NULL, -- number within the group, from 0
  attempt INTEGER NOT NULL, -- attempt
  problem TEXT NOT NULL, -- problem id
  run_id TEXT, -- run
  score REAL, -- 0 to 1; NULL where there was none
  reward REAL, -- what it was trained on; NULL where its row was dropped
  rounds TEXT NOT NULL, -- rewards by round, JSON
  advantages TEXT NOT NULL, -- advantages by round, JSON
  words TEXT NOT NULL, -- what it got its reward for
  PRIMARY KEY (job_id, step, group_id, candidate)
) WITHOUT ROWID;
CREATE TABLE listed ( -- runs by what is said of them, in the order of lists; kept by triggers
  field TEXT NOT NULL, -- label, training-set, bookmark or experiment
  value TEXT NOT NULL, -- its name; "" of a label is a failed run without one, of a bookmark any
  job TEXT NOT NULL, -- training job of a rollout; "" for other runs, and for all in a training-set
  started_at REAL NOT NULL, -- of the run, Unix seconds
  run_id TEXT NOT NULL, -- run
  PRIMARY KEY (field, value, job, started_at, run_id)
) WITHOUT ROWID;
CREATE TABLE counts ( -- how many runs failed in each way, rollouts left out; kept by triggers
  field TEXT NOT NULL, -- failed, variant, benchmark, problem, signature or label (those that passed too)
  value TEXT NOT NULL, -- its name; "" for failed, without a benchmark and without a label
  runs INTEGER NOT NULL, -- runs
  PRIMARY KEY (field, value)
) WITHOUT ROWID;
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX runs_by_problem ON runs(benchmark, problem_id, variant_id);
CREATE INDEX blob_refs_by_hash ON blob_refs(hash);
CREATE INDEX proposals_by_workflow ON proposals(workflow_id);
CREATE VIRTUAL TABLE search USING fts5(
  text, content='search_texts', content_rowid='id', tokenize='unicode61 remove_diacritics 2'
);
INSERT INTO search(search) VALUES ('rebuild');
CREATE TRIGGER search_insert AFTER INSERT ON search_texts BEGIN
  INSERT INTO search(rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER search_delete AFTER DELETE ON search_texts BEGIN
  INSERT INTO search(search, rowid, text) VALUES ('delete', old.id, old.text);
END;
CREATE INDEX origins_by_trial ON origins(experiment, trial, run_id) WHERE experiment IS NOT NULL;
CREATE INDEX origins_by_parent ON origins(parent) WHERE parent IS NOT NULL;
CREATE INDEX annotations_by_value ON annotations(kind, value, run_id);
CREATE INDEX classifications_by_version ON classifications(version);
CREATE INDEX rollouts_by_group ON rollouts(job, step, group_id, candidate);
CREATE INDEX runs_by_time ON runs(job, started_at, id);
CREATE INDEX runs_by_status ON runs(status, job, started_at, id);
CREATE INDEX runs_by_variant ON runs(variant, job, started_at, id);
CREATE INDEX runs_failed ON runs(job, started_at, id)
  WHERE status IN ('failed', 'error', 'budget', 'infra', 'interrupted');
CREATE INDEX runs_by_signature ON runs(job, error_sig, started_at, id)
  WHERE error_sig IS NOT NULL;
CREATE INDEX jobs_by_time ON jobs(created_at, id);
CREATE INDEX job_candidates_by_run ON job_candidates(run_id) WHERE run_id IS NOT NULL;
CREATE INDEX runs_by_benchmark ON runs(benchmark, job, started_at, id);
CREATE INDEX runs_failed_by_variant ON runs(variant, job, started_at, id) WHERE status IN ('failed', 'error', 'budget', 'infra', 'interrupted');
CREATE INDEX runs_failed_by_benchmark ON runs(benchmark, job, started_at, id) WHERE status IN ('failed', 'error', 'budget', 'infra', 'interrupted');
CREATE INDEX runs_failed_by_problem ON runs(problem_id, job, started_at, id) WHERE status IN ('failed', 'error', 'budget', 'infra', 'interrupted');
CREATE TRIGGER runs_insert AFTER INSERT ON runs WHEN new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted') OR new.error_sig IS NOT NULL BEGIN
  INSERT INTO counts(field, value, runs) SELECT f, v, n FROM (SELECT 'failed' AS f, '' AS v, +(new.job IS NULL AND new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'variant' AS f, new.variant AS v, +(new.job IS NULL AND new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'benchmark' AS f, coalesce(new.benchmark, '') AS v, +(new.job IS NULL AND new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'problem' AS f, new.problem_id AS v, +(new.job IS NULL AND new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'signature' AS f, coalesce(new.error_sig, '') AS v, +(new.job IS NULL AND new.error_sig IS NOT NULL) AS n) WHERE n <> 0 ON CONFLICT DO UPDATE SET runs = runs + excluded.runs;
  INSERT OR IGNORE INTO listed(field, value, job, started_at, run_id) SELECT 'label', '', iif('label' = 'training-set', '', coalesce(r.job, '')), r.started_at, r.id FROM runs r WHERE r.id = new.id AND r.job IS NULL AND r.status IN ('failed', 'error', 'budget', 'infra', 'interrupted') AND NOT EXISTS (SELECT 1 FROM annotations a WHERE a.run_id = new.id AND a.kind = 'label');
END;
CREATE TRIGGER runs_fail AFTER UPDATE OF status, variant, benchmark, problem_id, job ON runs
  WHEN new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted') OR old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted') BEGIN
  INSERT INTO counts(field, value, runs) SELECT f, v, n FROM (SELECT 'failed' AS f, '' AS v, -(old.job IS NULL AND old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'variant' AS f, old.variant AS v, -(old.job IS NULL AND old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'benchmark' AS f, coalesce(old.benchmark, '') AS v, -(old.job IS NULL AND old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'problem' AS f, old.problem_id AS v, -(old.job IS NULL AND old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'failed' AS f, '' AS v, +(new.job IS NULL AND new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'variant' AS f, new.variant AS v, +(new.job IS NULL AND new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'benchmark' AS f, coalesce(new.benchmark, '') AS v, +(new.job IS NULL AND new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'problem' AS f, new.problem_id AS v, +(new.job IS NULL AND new.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n) WHERE n <> 0 ON CONFLICT DO UPDATE SET runs = runs + excluded.runs;
  DELETE FROM listed WHERE field = 'label' AND value = '' AND run_id = old.id AND started_at = (SELECT r.started_at FROM runs r WHERE r.id = old.id) AND job IN ('', (SELECT r.job FROM runs r WHERE r.id = old.id));
  INSERT OR IGNORE INTO listed(field, value, job, started_at, run_id) SELECT 'label', '', iif('label' = 'training-set', '', coalesce(r.job, '')), r.started_at, r.id FROM runs r WHERE r.id = new.id AND r.job IS NULL AND r.status IN ('failed', 'error', 'budget', 'infra', 'interrupted') AND NOT EXISTS (SELECT 1 FROM annotations a WHERE a.run_id = new.id AND a.kind = 'label');
END;
CREATE TRIGGER runs_sign AFTER UPDATE OF error_sig, job ON runs
  WHEN new.error_sig IS NOT NULL OR old.error_sig IS NOT NULL BEGIN
  INSERT INTO counts(field, value, runs) SELECT f, v, n FROM (SELECT 'signature' AS f, coalesce(old.error_sig, '') AS v, -(old.job IS NULL AND old.error_sig IS NOT NULL) AS n UNION ALL SELECT 'signature' AS f, coalesce(new.error_sig, '') AS v, +(new.job IS NULL AND new.error_sig IS NOT NULL) AS n) WHERE n <> 0 ON CONFLICT DO UPDATE SET runs = runs + excluded.runs;
END;
CREATE TRIGGER runs_delete BEFORE DELETE ON runs BEGIN
  DELETE FROM annotations WHERE run_id = old.id;
  DELETE FROM origins WHERE run_id = old.id;
  DELETE FROM listed WHERE field = 'label' AND value = '' AND run_id = old.id AND started_at = (SELECT r.started_at FROM runs r WHERE r.id = old.id) AND job IN ('', (SELECT r.job FROM runs r WHERE r.id = old.id));
  INSERT INTO counts(field, value, runs) SELECT f, v, n FROM (SELECT 'failed' AS f, '' AS v, -(old.job IS NULL AND old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'variant' AS f, old.variant AS v, -(old.job IS NULL AND old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'benchmark' AS f, coalesce(old.benchmark, '') AS v, -(old.job IS NULL AND old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'problem' AS f, old.problem_id AS v, -(old.job IS NULL AND old.status IN ('failed', 'error', 'budget', 'infra', 'interrupted')) AS n UNION ALL SELECT 'signature' AS f, coalesce(old.error_sig, '') AS v, -(old.job IS NULL AND old.error_sig IS NOT NULL) AS n) WHERE n <> 0 ON CONFLICT DO UPDATE SET runs = runs + excluded.runs;
END;
CREATE TRIGGER annotations_insert AFTER INSERT ON annotations WHEN new.kind IN ('label', 'training-set', 'bookmark') BEGIN
  INSERT OR IGNORE INTO listed(field, value, job, started_at, run_id) SELECT new.kind, new.value, iif(new.kind = 'training-set', '', coalesce(r.job, '')), r.started_at, r.id FROM runs r WHERE r.id = new.run_id AND true;
  DELETE FROM listed WHERE new.kind = 'label' AND new.value <> '' AND field = 'label' AND value = ''
    AND job = '' AND started_at = (SELECT r.started_at FROM runs r WHERE r.id = new.run_id)
    AND run_id = new.run_id;
END;
CREATE TRIGGER annotations_delete AFTER DELETE ON annotations WHEN old.kind IN ('label', 'training-set', 'bookmark') BEGIN
  DELETE FROM listed WHERE field = old.kind AND value = old.value AND run_id = old.run_id AND started_at = (SELECT r.started_at FROM runs r WHERE r.id = old.run_id) AND job IN ('', (SELECT r.job FROM runs r WHERE r.id = old.run_id));
  INSERT OR IGNORE INTO listed(field, value, job, started_at, run_id) SELECT 'label', '', iif('label' = 'training-set', '', coalesce(r.job, '')), r.started_at, r.id FROM runs r WHERE r.id = old.run_id AND r.job IS NULL AND r.status IN ('failed', 'error', 'budget', 'infra', 'interrupted') AND NOT EXISTS (SELECT 1 FROM annotations a WHERE a.run_id = old.run_id AND a.kind = 'label');
END;
CREATE TRIGGER origins_insert AFTER INSERT ON origins WHEN new.experiment IS NOT NULL BEGIN
  INSERT OR IGNORE INTO listed(field, value, job, started_at, run_id) SELECT 'experiment', new.experiment, iif('experiment' = 'training-set', '', coalesce(r.job, '')), r.started_at, r.id FROM runs r WHERE r.id = new.run_id AND true;
END;
CREATE TRIGGER origins_delete AFTER DELETE ON origins WHEN old.experiment IS NOT NULL BEGIN
  DELETE FROM listed WHERE field = 'experiment' AND value = old.experiment AND run_id = old.run_id AND started_at = (SELECT r.started_at FROM runs r WHERE r.id = old.run_id) AND job IN ('', (SELECT r.job FROM runs r WHERE r.id = old.run_id));
END;
CREATE TRIGGER listed_insert AFTER INSERT ON listed WHEN new.field = 'label' AND new.job = '' BEGIN
  INSERT INTO counts(field, value, runs) SELECT f, v, n FROM (SELECT 'label' AS f, new.value AS v, 1 AS n) WHERE n <> 0 ON CONFLICT DO UPDATE SET runs = runs + excluded.runs;
END;
CREATE TRIGGER listed_delete AFTER DELETE ON listed WHEN old.field = 'label' AND old.job = '' BEGIN
  INSERT INTO counts(field, value, runs) SELECT f, v, n FROM (SELECT 'label' AS f, old.value AS v, -1 AS n) WHERE n <> 0 ON CONFLICT DO UPDATE SET runs = runs + excluded.runs;
END;
COMMIT;
