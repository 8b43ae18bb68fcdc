// Tests that count what the whole process holds: nothing else runs beside them.
namespace Microsoft.ML.Transfusion.Tests;

[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
