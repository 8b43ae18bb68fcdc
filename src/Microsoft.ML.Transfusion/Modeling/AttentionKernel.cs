// Attention of a training pass on a CPU, head by head in the cache (after FlashAttention, Dao et al. 2022): scores and probabilities never leave it,
// and the backward pass computes them again from a logarithm kept for each position. What the mask hides is not computed, in blocks.
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

/// <summary>How the positions [B, T] of a pass are laid out.</summary>
/// <param name="Heads">Query heads, H.</param>
/// <param name="KeyValueHeads">Key and value heads, Hkv; each serves H / Hkv neighbouring query heads.</param>
/// <param name="Visible">For every position how many positions it sees from the first on; one entry for all rows, or one for each.</param>
/// <param name="Turns"><see cref="HeadRows.Turns"/> of the positions.</param>
internal sealed record AttentionLayout(int Heads, int KeyValueHeads, int HeadSize, int[][] Visible, float[] Turns)
{
    public int Length => Visible[0].Length;

    /// <summary>Numbers in a position's queries, keys and values.</summary>
    public int Width => (Heads + 2 * KeyValueHeads) * HeadSize;

    /// <summary>Numbers in a position's attended values.</summary>
    public int OutputWidth => Heads * HeadSize;

    /// <summary>1 / √d.</summary>
    public float Scale => 1 / MathF.Sqrt(HeadSize);
}

/// <typeparam name="T">The tensors' numbers; between them all is 32-bit.</typeparam>
internal static unsafe class AttentionKernel<T> where T : struct, ILanes
{
    private const int BlockRows = 32;                       // queries that are computed together

    /// <summary>Queries, keys and values [B, T, width] → attended values [B, T, H·d] and for each head and position log Σ exp(score), 32-bit [B, H, T].</summary>
    public static void Forward(Tensor input, Tensor output, Tensor logSums, AttentionLayout layout)
    {
        void* inputs = CpuKernel.Pointer(input), outputs = CpuKernel.Pointer(output);
        float* sums = (float*)CpuKernel.Pointer(logSums);
        ForHeads(input, layout, (head, turns, block) =>
        {
            block.ReadKeys(inputs, head, turns);
            HeadRows.Move<T, Float32Lanes>(head.ValuesOf(inputs), layout.Width, block.Values, block.Size, layout.Length, layout.HeadSize);
            foreach (QueryBlock queries in head.QueryBlocks(BlockRows))
            {
                block.ComputeScores(inputs, queries, turns);
                Softmax(block.Scores, block.Stride, queries, block.Sums, block.LogSums);
                NativeMemory.Copy(block.LogSums, sums + queries.FirstOfSums, (nuint)queries.Count * sizeof(float));
                SmallProduct.Multiply(block.Scores, block.Stride, 1, block.Values, block.Size, block.Results, block.Size, queries.TileRows, block.Size, queries.Seen, add: false);
                for (int row = 0; row < queries.Count; row++)
                    SoftmaxRow.Multiply(block.Results + (nint)row * block.Size, 1 / block.Sums[row], block.Size);
                HeadRows.Move<Float32Lanes, T>(block.Results, block.Size, queries.Of(outputs, layout.OutputWidth), layout.OutputWidth, queries.Count, layout.HeadSize);
            }
        });
    }

    /// <summary>The gradient of the output [B, T, H·d] → of the input [B, T, width].</summary>
    public static void Backward(Tensor input, Tensor outputGradient, Tensor logSums, Tensor inputGradient, AttentionLayout layout)
    {
        void* inputs = CpuKernel.Pointer(input), given = CpuKernel.Pointer(outputGradient), gradients = CpuKernel.Pointer(inputGradient);
        float* sums = (float*)CpuKernel.Pointer(logSums);
        ForHeads(input, layout, (head, turns, block) =>
        {
            block.ReadKeys(inputs, head, turns);
            HeadRows.Move<T, Float32Lanes>(head.ValuesOf(inputs), layout.Width, block.Values, block.Size, layout.Length, layout.HeadSize);
            SmallProduct.Transpose(block.Values, block.Size, block.ValuesTransposed, block.Stride, block.Length, block.Size);
            NativeMemory.Clear(block.KeyGradients, (nuint)block.Length * (nuint)block.Size * sizeof(float));
            NativeMemory.Clear(block.ValueGradients, (nuint)block.Length * (nuint)block.Size * sizeof(float));
            foreach (QueryBlock queries in head.QueryBlocks(BlockRows))
            {
                block.ComputeScores(inputs, queries, turns);
                HeadRows.Move<T, Float32Lanes>(queries.Of(given, layout.OutputWidth), layout.OutputWidth, block.Given, block.Size, queries.Count, layout.HeadSize);
                SmallProduct.Multiply(block.Given, block.Size, 1, block.ValuesTransposed, block.Stride, block.ScoreGradients, block.Stride, queries.TileRows, queries.Seen, layout.HeadSize, add: false);
                SoftmaxGradient(block.Scores, block.ScoreGradients, block.Stride, queries, sums + queries.FirstOfSums);
                SmallProduct.Multiply(block.Scores, 1, block.Stride, block.Given, block.Size, block.ValueGradients, block.Size, queries.Seen, block.Size, queries.Count, add: true);
                SmallProduct.Multiply(block.ScoreGradients, 1, block.Stride, block.Queries, block.Size, block.KeyGradients, block.Size, queries.Seen, block.Size, queries.Count, add: true);
                SmallProduct.Multiply(block.ScoreGradients, block.Stride, 1, block.Keys, block.Size, block.Results, block.Size, queries.TileRows, block.Size, queries.Seen, add: false);
                HeadRows.Move<Float32Lanes, T>(block.Results, block.Size, queries.Of(gradients, layout.Width), layout.Width, queries.Count, layout.HeadSize, turns + queries.FirstOfTurns, -1, layout.Scale);
            }
            HeadRows.Move<Float32Lanes, T>(block.KeyGradients, block.Size, head.KeysOf(gradients), layout.Width, layout.Length, layout.HeadSize, turns, -1);
            HeadRows.Move<Float32Lanes, T>(block.ValueGradients, block.Size, head.ValuesOf(gradients), layout.Width, layout.Length, layout.HeadSize);
        });
    }

    private delegate void HeadAction(Head head, float* turns, Workspace block);

    private static void ForHeads(Tensor input, AttentionLayout layout, HeadAction action) =>
        CpuKernel.ForRows(input.shape[0] * layout.KeyValueHeads, (long)layout.Length * layout.Width / layout.KeyValueHeads, (begin, end, _) =>
        {
            using var block = new Workspace(layout);
            fixed (float* turns = layout.Turns)
                for (long at = begin; at < end; at++)
                    action(new Head(layout, (int)(at / layout.KeyValueHeads), (int)(at % layout.KeyValueHeads)), turns, block);
        });

    /// <summary>Scores → probabilities times <paramref name="sums"/>, zeros from the count of visible ones on.</summary>
    /// <param name="logSums">log Σ exp(score) of each row.</param>
    private static void Softmax(float* scores, int stride, QueryBlock queries, float* sums, float* logSums)
    {
        for (int row = 0; row < queries.TileRows; row++)
            logSums[row] = SoftmaxRow.Largest(scores + (nint)row * stride, queries.Visible(row));
        for (int row = 0; row < queries.TileRows; row++)
            sums[row] = SoftmaxRow.Exponentials(scores + (nint)row * stride, logSums[row], queries.Visible(row), queries.Seen);
        for (int row = 0; row < BlockRows; row += ILanes.Count)
            (Vector512.Load(logSums + row) + Vector512.Log(Vector512.Load(sums + row))).Store(logSums + row);
    }

    /// <summary>Scores → probabilities p; their gradient g → the scores': p · (g − Σ p·g).</summary>
    private static void SoftmaxGradient(float* scores, float* gradients, int stride, QueryBlock queries, float* logSums)
    {
        for (int row = 0; row < queries.TileRows; row++)
        {
            float* p = scores + (nint)row * stride, g = gradients + (nint)row * stride;
            SoftmaxRow.Exponentials(p, row < queries.Count ? logSums[row] : 0, queries.Visible(row), queries.Seen);
            Vector512<float> products = default;
            for (int i = 0; i < queries.Seen; i += ILanes.Count)
                products = Vector512.FusedMultiplyAdd(Vector512.Load(p + i), Vector512.Load(g + i), products);
            Vector512<float> sum = Vector512.Create(Lanes.Sum(products));
            for (int i = 0; i < queries.Seen; i += ILanes.Count)
                (Vector512.Load(p + i) * (Vector512.Load(g + i) - sum)).Store(g + i);
        }
    }

    /// <summary>A key and value head of a row, and the query heads that it serves.</summary>
    private readonly record struct Head(AttentionLayout Layout, int Row, int KeyValueHead)
    {
        public void* KeysOf(void* tensor) => At(tensor, Layout.Heads + KeyValueHead);

        public void* ValuesOf(void* tensor) => At(tensor, Layout.Heads + Layout.KeyValueHeads + KeyValueHead);

        public IEnumerable<QueryBlock> QueryBlocks(int rows)
        {
            int group = Layout.Heads / Layout.KeyValueHeads;
            for (int head = KeyValueHead * group; head < (KeyValueHead + 1) * group; head++)
                for (int start = 0; start < Layout.Length; start += rows)
                    yield return new QueryBlock(Layout, Row, head, start, Math.Min(rows, Layout.Length - start));
        }

        private void* At(void* tensor, int head) => T.Row(tensor, (long)Row * Layout.Length * (Layout.Width / Layout.HeadSize) + head, Layout.HeadSize);
    }

    /// <summary>Neighbouring positions of a query head.</summary>
    private readonly record struct QueryBlock(AttentionLayout Layout, int Row, int Head, int Start, int Count)
    {
        private readonly int[] _counts = Layout.Visible[Layout.Visible.Length == 1 ? 0 : Row];

        public int TileRows => RoundUp(Count, SmallProduct.TileRows);

        /// <summary>How many positions any of them sees, in whole tiles.</summary>
        public int Seen { get; } = RoundUp(Layout.Visible[Layout.Visible.Length == 1 ? 0 : Row].Skip(Start).Take(Count).Max(), SmallProduct.TileColumns);

        public long FirstOfSums => ((long)Row * Layout.Heads + Head) * Layout.Length + Start;

        public long FirstOfTurns => 2L * Start * Layout.HeadSize;

        /// <summary>How many positions one of them sees; none where there is no such position.</summary>
        public int Visible(int row) => row < Count ? _counts[Start + row] : 0;

        public void* Of(void* tensor, int width) => T.Row(tensor, ((long)Row * Layout.Length + Start) * (width / Layout.HeadSize) + Head, Layout.HeadSize);
    }

    /// <summary>32-bit matrices of one head, whole tiles, zero where nothing was written.</summary>
    private sealed class Workspace : IDisposable
    {
        private const int Alignment = 64;
        private readonly AttentionLayout _layout;
        private readonly float* _start;
        private nint _used;

        public Workspace(AttentionLayout layout)
        {
            _layout = layout;
            (Size, Length) = (RoundUp(layout.HeadSize, SmallProduct.TileColumns), RoundUp(layout.Length, SmallProduct.TileColumns));
            Stride = Length + ILanes.Count;                 // rows a power of two apart would fall on the same lines of the cache
            long numbers = 4L * Length * Size + 2L * Size * Stride + 3L * BlockRows * Size + 2L * BlockRows * Stride + 2L * BlockRows;
            _start = (float*)NativeMemory.AlignedAlloc((nuint)numbers * sizeof(float), Alignment);
            NativeMemory.Clear(_start, (nuint)numbers * sizeof(float));
            Keys = Take(Length * Size);
            Values = Take(Length * Size);
            KeyGradients = Take(Length * Size);
            ValueGradients = Take(Length * Size);
            KeysTransposed = Take(Size * Stride);
            ValuesTransposed = Take(Size * Stride);
            Queries = Take(BlockRows * Size);
            Given = Take(BlockRows * Size);
            Results = Take(BlockRows * Size);
            Scores = Take(BlockRows * Stride);
            ScoreGradients = Take(BlockRows * Stride);
            Sums = Take(BlockRows);
            LogSums = Take(BlockRows);
        }

        /// <summary>A head's numbers, from row to row of keys, values and queries.</summary>
        public int Size { get; }

        public int Length { get; }

        /// <summary>From row to row of scores and of what is transposed.</summary>
        public int Stride { get; }

        public float* Keys { get; }

        public float* Values { get; }

        public float* KeyGradients { get; }

        public float* ValueGradients { get; }

        public float* KeysTransposed { get; }

        public float* ValuesTransposed { get; }

        public float* Queries { get; }

        /// <summary>The gradient of a block's output.</summary>
        public float* Given { get; }

        public float* Results { get; }

        public float* Scores { get; }

        public float* ScoreGradients { get; }

        public float* Sums { get; }

        public float* LogSums { get; }

        public void ReadKeys(void* inputs, Head head, float* turns)
        {
            HeadRows.Move<T, Float32Lanes>(head.KeysOf(inputs), _layout.Width, Keys, Size, _layout.Length, _layout.HeadSize, turns);
            SmallProduct.Transpose(Keys, Size, KeysTransposed, Stride, Length, Size);
        }

        public void ComputeScores(void* inputs, QueryBlock queries, float* turns)
        {
            HeadRows.Move<T, Float32Lanes>(queries.Of(inputs, _layout.Width), _layout.Width, Queries, Size, queries.Count, _layout.HeadSize, turns + queries.FirstOfTurns, 1, _layout.Scale);
            SmallProduct.Multiply(Queries, Size, 1, KeysTransposed, Stride, Scores, Stride, queries.TileRows, queries.Seen, _layout.HeadSize, add: false);
        }

        public void Dispose() => NativeMemory.AlignedFree(_start);

        private float* Take(int numbers)
        {
            float* taken = _start + _used;
            _used += numbers;
            return taken;
        }
    }

    private static int RoundUp(int value, int multiple) => (value + multiple - 1) / multiple * multiple;
}
