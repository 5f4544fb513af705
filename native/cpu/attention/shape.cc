#include "cpu/attention/shape.h"

#include "shared/attention_spans.h"

namespace transfusion::cpu {

AttentionShape::AttentionShape(const In& q, const In& k, const In& key_start, const In& key_end,
                               const In& query_rows, const In& key_rows)
    : T(q.dim(0)),
      H(q.dim(1)),
      K(k.dim(0)),
      G(k.dim(1)),
      D(q.dim(2)),
      B(query_rows.dim(0) - 1),
      group(H / G),
      key_start(key_start.as<i32>()),
      key_end(key_end.as<i32>()),
      query_rows(query_rows.as<i32>()),
      key_rows(key_rows.as<i32>()) {}

namespace {

Status check_rows(SpanArgument argument, const i32* rows, i64 sequences, i64 limit) {
  for (i64 b = 0; b <= sequences; ++b) {
    const i64 least = b == 0 ? 0 : rows[b - 1];
    if (rows[b] < least || rows[b] > limit) return span_out_of_range(argument, b, rows[b], least, limit);
  }
  return ok();
}

}  // namespace

Status AttentionShape::check() const {
  if (const Status status = check_rows(SpanArgument::query_rows, query_rows, B, T); status.failed)
    return status;
  if (const Status status = check_rows(SpanArgument::key_rows, key_rows, B, K); status.failed) return status;
  if (query_rows[0] != 0) return span_out_of_range(SpanArgument::query_rows, 0, query_rows[0], 0, 0);
  if (query_rows[B] != T) return span_out_of_range(SpanArgument::query_rows, B, query_rows[B], T, T);
  for (i64 b = 0; b < B; ++b) {
    i64 start = 0, end = 1;  // lower bounds of the next query's
    for (i64 t = query_rows[b]; t < query_rows[b + 1]; ++t) {
      if (key_end[t] < end || key_end[t] > keys(b))
        return span_out_of_range(SpanArgument::key_end, t, key_end[t], end, keys(b));
      end = key_end[t];
      if (key_start[t] < start || key_start[t] >= end)
        return span_out_of_range(SpanArgument::key_start, t, key_start[t], start, end - 1);
      start = key_start[t];
    }
  }
  return ok();
}

}  // namespace transfusion::cpu
