/** The store's scripts: each runs alone on its node, so what it compares is what it changes. */
import { createHash } from 'node:crypto';

export interface Script {
  readonly lua: string;
  readonly sha: string;
}

const script = (lua: string): Script => ({ lua, sha: createHash('sha1').update(lua).digest('hex') });

/**
 * One customer's step. ARGV: count of writes; for each write field, expectation ('n': nothing is there, 'p': it begins with these bytes,
 * 'e': it is these bytes, '*': whatever is there), those bytes, kind ('d' deletes, 's' a value of its own, 'l' a link), value; then the timer's
 * field ('' : it stays), slot and offset before, slot and offset after ('' : none); then for a wipe the value of its mark ('' : no wipe).
 * KEYS: for each write its own key and the hash of its links (its own key again: it is no decision id); then the bucket's slots, the
 * timers before, the timers after, the mark of a wipe. Returns 1, or 0: refused, and nothing was changed.
 */
export const COMMIT = script(`
local n = tonumber(ARGV[1])
for i = 1, n do
  local a, k = 2 + (i - 1) * 5, 1 + (i - 1) * 2
  local expects, bytes = ARGV[a + 1], ARGV[a + 2]
  if expects ~= '*' then
    local there
    if expects == 'p' then
      there = redis.call('GETRANGE', KEYS[k], 0, #bytes - 1)
      if there == '' then there = false end
    else there = redis.call('GET', KEYS[k]) end
    if there == false and KEYS[k + 1] ~= KEYS[k] then
      there = redis.call('HGET', KEYS[k + 1], ARGV[a])
      if there then there = '\\129' .. there end
    end
    if expects == 'n' then
      if there then return 0 end
    elseif there ~= bytes then return 0 end
  end
end
for i = 1, n do
  local a, k = 2 + (i - 1) * 5, 1 + (i - 1) * 2
  local kind = ARGV[a + 3]
  local own, hash = KEYS[k], KEYS[k + 1]
  if kind == 's' then
    redis.call('SET', own, ARGV[a + 4])
    if hash ~= own then redis.call('HDEL', hash, ARGV[a]) end
  elseif kind == 'l' then
    redis.call('HSET', hash, ARGV[a], ARGV[a + 4])
    redis.call('DEL', own)
  else
    redis.call('DEL', own)
    if hash ~= own then redis.call('HDEL', hash, ARGV[a]) end
  end
end
local a, k = 2 + n * 5, 1 + n * 2
local field = ARGV[a]
if field ~= '' then
  local from, to = ARGV[a + 1], ARGV[a + 2]
  if from ~= '' and from ~= to then
    redis.call('HDEL', KEYS[k + 1], field)
    if redis.call('EXISTS', KEYS[k + 1]) == 0 then redis.call('ZREM', KEYS[k], from) end
  end
  if to ~= '' then
    redis.call('HSET', KEYS[k + 2], field, ARGV[a + 3])
    if redis.call('HLEN', KEYS[k + 2]) == 1 then redis.call('ZADD', KEYS[k], to, to) end
  end
end
if ARGV[a + 4] ~= '' then redis.call('SET', KEYS[k + 3], ARGV[a + 4]) end
return 1
`);

/**
 * States of several customers, each by its own comparison; nothing but their values changes.
 *
 * KEYS: the states. ARGV of each: the bytes with which its value begins ('': there is none), the new value. Returns 1 or 0 of each.
 */
export const COMMIT_STATES = script(`
local done = {}
for i = 1, #KEYS do
  local before = ARGV[2 * i - 1]
  local stands
  if before == '' then stands = redis.call('EXISTS', KEYS[i]) == 0
  else stands = redis.call('GETRANGE', KEYS[i], 0, #before - 1) == before end
  if stands then redis.call('SET', KEYS[i], ARGV[2 * i]) end
  done[i] = stands and 1 or 0
end
return done
`);

/** ARGV: decision id, now, end, ms to keep. The caller's clock counts; Redis only forgets what nobody can ask for any more. */
export const CLAIM = script(`
local there = redis.call('GET', KEYS[1])
if there and tonumber(string.sub(there, 17)) > tonumber(ARGV[2]) then return string.sub(there, 1, 16) end
redis.call('SET', KEYS[1], ARGV[1] .. ARGV[3], 'PX', ARGV[4])
return ARGV[1]
`);

/** ARGV: owner, ms. */
export const HOLD = script(`
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`);

/** Deletes what has this value. ARGV: the value. */
export const RELEASE = script(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
`);

/**
 * A document and its entries of the index. KEYS: the document, its bucket's index. ARGV: the head with which it begins ('': there is none), its
 * new bytes ('': none), the number of entries that go, these, then those that come. Returns 1, or 0: it has another head, and nothing was changed.
 */
export const CHANGE_DOCUMENT = script(`
local head = ARGV[1]
if head == '' then
  if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
elseif redis.call('GETRANGE', KEYS[1], 0, #head - 1) ~= head then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
local go = tonumber(ARGV[3])
for i = 4, 3 + go do redis.call('ZREM', KEYS[2], ARGV[i]) end
for i = 4 + go, #ARGV do redis.call('ZADD', KEYS[2], 0, ARGV[i]) end
return 1
`);

/** ARGV: holder, now, end, places, ms to keep the name. Of what has ended a thousand go at a time, so that a midnight does not hold up the node. */
export const RESERVE = script(`
local name, holder, now, ends = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local over = redis.call('ZCOUNT', name, '-inf', now)
if over > 0 then redis.call('ZREMRANGEBYRANK', name, 0, math.min(over, 1000) - 1) end
local held = redis.call('ZSCORE', name, holder)
if held and tonumber(held) > tonumber(now) then return 1 end
if redis.call('ZCOUNT', name, '(' .. now, '+inf') >= tonumber(ARGV[4]) then return 0 end
if tonumber(ends) <= tonumber(now) then return 1 end
redis.call('ZADD', name, ends, holder)
if redis.call('PTTL', name) < tonumber(ARGV[5]) then redis.call('PEXPIRE', name, ARGV[5]) end
return 1
`);
