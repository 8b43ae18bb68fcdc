// A network that keeps nothing: every pass reads the whole row anew. What cached generation must equal.
using Microsoft.ML.Transfusion.Modeling;

namespace Microsoft.ML.Transfusion.Tests.Generation;

internal sealed class UncachedInference(IInferenceNetwork network) : IInferenceNetwork
{
    public int Threads => 1;

    public RowCache CreateCache(int capacity) => new History(capacity, []);

    public void Run(IReadOnlyList<RowPass> passes)
    {
        foreach (RowPass pass in passes)
        {
            var history = (History)pass.Cache;
            using RowCache fresh = network.CreateCache(history.Capacity);
            var whole = new RowPass(fresh, [.. history.Parts, .. pass.Parts], pass.Wanted);
            network.Run([whole]);
            pass.Result = whole.Result;
            if (!pass.Keeps)
                continue;
            history.Parts.AddRange(pass.Parts);
            history.Advance(fresh.Length - history.Length);
        }
    }

    public void Dispose()
    {
    }

    private sealed class History(int capacity, IEnumerable<PassPart> parts) : RowCache(capacity)
    {
        public List<PassPart> Parts { get; } = [.. parts];

        public override long Bytes => 0;

        public override void Dispose()
        {
        }

        protected override RowCache CopyTo(int capacity, int length)
        {
            int read = 0;
            return new History(capacity, Parts.TakeWhile(part => (read += part.TokenIds?.Length ?? part.PatchCount) <= length));
        }
    }
}
