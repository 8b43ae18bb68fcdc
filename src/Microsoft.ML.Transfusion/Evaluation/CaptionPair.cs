// What every caption metric compares: words, not text. CaptionTokenizer makes them.
namespace Microsoft.ML.Transfusion.Evaluation;

/// <param name="Candidate">The generated caption's words; may be empty.</param>
/// <param name="References">The words of each caption that people wrote for the same picture; at least one.</param>
internal sealed record CaptionPair(string[] Candidate, IReadOnlyList<string[]> References);
