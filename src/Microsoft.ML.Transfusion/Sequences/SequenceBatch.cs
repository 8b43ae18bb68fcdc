// Documents as the network sees them: BOS, text tokens, BOI, patches, EOI, …, EOS (Transfusion §3), several rows at once.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Sequences;

/// <summary>What the positions of an image are.</summary>
internal enum ImagePositionKind
{
    /// <summary>Patches that see all of their image.</summary>
    Patches,

    /// <summary>Patches that see those before them.</summary>
    CausalPatches,

    /// <summary>Tokens of the vocabulary, which see those before them as all tokens do.</summary>
    Codes,
}

/// <summary>A batch on the CPU. Rows are padded on the right; rows of one layout need no padding.</summary>
internal sealed partial class SequenceBatch : IDisposable
{
    private SequenceBatch(TransfusionMask mask, int rows, Tensor tokenIds, Tensor order, Tensor? images, Tensor imagePositions,
        Tensor targetPositions, Tensor targets, Tensor codePositions, Tensor codes, int[] maxTimesteps, int[] rowOfImage, int[] targetsOfRow, float[] targetWeights)
    {
        (Mask, Rows, TokenIds, Order, Images, ImagePositions) = (mask, rows, tokenIds, order, images, imagePositions);
        (CodePositions, Codes) = (codePositions, codes);
        (TargetPositions, Targets, MaxTimesteps, RowOfImage, TargetsOfRow, TargetWeights) = (targetPositions, targets, maxTimesteps, rowOfImage, targetsOfRow, targetWeights);
    }

    public TransfusionMask Mask { get; }

    public int Rows { get; }

    /// <summary>Positions of the batch, padding included.</summary>
    public int Positions => Rows * Mask.Length;

    /// <summary>Ids at the positions that are not patches, row after row: int64 [N].</summary>
    public Tensor TokenIds { get; }

    /// <summary>For every position of the flattened batch, its row in (embedded tokens, then embedded patches): int64 [B·T].</summary>
    public Tensor Order { get; }

    /// <summary>Clean images, row after row: float [images, C, H, W]; null where no row has one, or where they are codes.</summary>
    public Tensor? Images { get; }

    /// <summary>Flat positions of all patches, image after image: int64 [images · P].</summary>
    public Tensor ImagePositions { get; }

    /// <summary>Flat positions whose next token is learned: every token but BOI, unless an image or nothing follows it; int64 [M].</summary>
    public Tensor TargetPositions { get; }

    /// <summary>The tokens that follow <see cref="TargetPositions"/>: int64 [M].</summary>
    public Tensor Targets { get; }

    /// <summary>Flat positions whose next token is a code of an image, image after image: int64 [images · codes]; empty where images are continuous.</summary>
    public Tensor CodePositions { get; }

    /// <summary>The codes that follow <see cref="CodePositions"/>, as ids of the vocabulary: int64 [images · codes].</summary>
    public Tensor Codes { get; }

    /// <summary>For every image, one more than the largest timestep it may be noised with.</summary>
    public int[] MaxTimesteps { get; }

    /// <summary>What the diffusion loss of every image counts: nothing where it is never noised, since a clean image teaches nothing of denoising.</summary>
    public float[] ImageWeights => [.. MaxTimesteps.Select(limit => limit > 1 ? 1f : 0)];

    /// <summary>Images that are noised.</summary>
    public int NoisedImages => MaxTimesteps.Count(limit => limit > 1);

    /// <summary>The row every image stands in.</summary>
    public int[] RowOfImage { get; }

    /// <summary>How many of <see cref="Targets"/> belong to each row.</summary>
    public int[] TargetsOfRow { get; }

    /// <summary>What the loss of each of <see cref="Targets"/> counts.</summary>
    public float[] TargetWeights { get; }

    /// <param name="documents">One row each.</param>
    /// <param name="special">The vocabulary's special tokens.</param>
    /// <param name="patchCount">Patches in one image.</param>
    /// <param name="endSequences">Whether rows end in EOS; prompts do not.</param>
    /// <param name="images">What images are to the network.</param>
    public static SequenceBatch Create(IReadOnlyList<ArrangedDocument> documents, SpecialTokens special, int patchCount, bool endSequences = true, ImagePositionKind images = ImagePositionKind.Patches)
    {
        using var scope = NewDisposeScope();
        List<Row> rows = [.. documents.Select(document => new Row(document, special, patchCount, endSequences, images))];
        int length = rows.Max(row => row.Tokens.Count);
        int tokenCount = rows.Sum(row => row.Tokens.Count(id => id != Row.Patch) + length - row.Tokens.Count);
        List<long> ids = new(tokenCount), order = new(rows.Count * length), imagePositions = [], targetPositions = [], targets = [], codePositions = [], codes = [];
        var targetsOfRow = new int[rows.Count];
        List<float> targetWeights = [];
        for (int row = 0, patches = 0; row < rows.Count; row++)
        {
            List<int> tokens = rows[row].Tokens;
            for (int at = 0; at < length; at++)
            {
                int id = at < tokens.Count ? tokens[at] : special.Padding;
                int next = at + 1 < tokens.Count ? tokens[at + 1] : Row.Patch;
                if (id == Row.Patch)
                {
                    imagePositions.Add(order.Count);
                    order.Add(tokenCount + patches++);
                    continue;
                }
                if (images == ImagePositionKind.Codes && next >= special.FirstCode)
                {
                    codePositions.Add(order.Count);
                    codes.Add(next);
                }
                else if (documents[row].HasLanguageLoss && next != Row.Patch && id != special.BeginOfImage && id < special.FirstCode)
                {
                    targetPositions.Add(order.Count);
                    targets.Add(next);
                    targetWeights.Add(rows[row].Weights[at + 1]);
                    targetsOfRow[row]++;
                }
                order.Add(ids.Count);
                ids.Add(id);
            }
        }
        Tensor[] latents = images == ImagePositionKind.Codes ? [] : [.. documents.SelectMany(document => document.Parts).OfType<ImagePart>().Select(part => part.Latents)];
        return new SequenceBatch(
            new TransfusionMask(length, [.. rows.Select(row => row.Images)]), rows.Count,
            ToTensor(ids), ToTensor(order),
            latents.Length == 0 ? null : stack(latents).to(ScalarType.Float32).DetachFromDisposeScope(),
            ToTensor(imagePositions), ToTensor(targetPositions), ToTensor(targets), ToTensor(codePositions), ToTensor(codes),
            [.. documents.SelectMany(document => document.MaxTimesteps)],
            [.. rows.SelectMany((row, at) => Enumerable.Repeat(at, row.ImageCount))], targetsOfRow, [.. targetWeights]);
    }

    /// <summary>Mirrors all images of the marked rows, left to right.</summary>
    public void FlipRows(bool[] rows)
    {
        if (Images is null)
            return;
        using var scope = NewDisposeScope();
        Tensor flipped = tensor(RowOfImage.Select(row => rows[row]).ToArray()).view(-1, 1, 1, 1);
        Images.copy_(where(flipped, Images.flip(3), Images));
    }

    public void Dispose()
    {
        foreach (Tensor? tensor in (Tensor?[])[TokenIds, Order, Images, ImagePositions, TargetPositions, Targets, CodePositions, Codes])
            tensor?.Dispose();
    }

    /// <summary>Positions a document takes: its tokens and patches, BOS, EOS, and two around every image.</summary>
    public static int LengthOf(IReadOnlyList<DocumentPart> parts, int patchCount) =>
        2 + parts.Sum(part => part is TextPart text ? text.TokenIds.Length : patchCount + 2);

    private static Tensor ToTensor(List<long> values) => tensor(values, ScalarType.Int64).DetachFromDisposeScope();

    private sealed class Row
    {
        public const int Patch = -1;

        public Row(ArrangedDocument document, SpecialTokens special, int patchCount, bool endSequence, ImagePositionKind images)
        {
            Tokens.Add(special.BeginOfSequence);
            Weights.Add(1);
            for (int at = 0; at < document.Parts.Count; at++)
            {
                if (document.Parts[at] is TextPart text)
                {
                    bool isPrompt = at + 1 < document.Parts.Count && document.Parts[at + 1] is ImagePart;
                    Add(text.TokenIds, isPrompt ? document.PromptWeight : 1);
                    continue;
                }
                Add([special.BeginOfImage], at > 0 && document.Parts[at - 1] is TextPart ? document.PromptWeight : 1);
                ImageCount++;
                if (images == ImagePositionKind.Codes)
                {
                    Add(special.Codes(((ImagePart)document.Parts[at]).Latents), 1);
                }
                else
                {
                    if (images == ImagePositionKind.Patches)
                        Images.Add(new ImageSpan(Tokens.Count, patchCount));
                    Add(Enumerable.Repeat(Patch, patchCount), 1);
                }
                Add([special.EndOfImage], 1);
            }
            if (endSequence)
                Add([special.EndOfSequence], 1);
        }

        public List<int> Tokens { get; } = [];

        /// <summary>What the loss of each token counts.</summary>
        public List<float> Weights { get; } = [];

        /// <summary>Images that see all of themselves.</summary>
        public List<ImageSpan> Images { get; } = [];

        public int ImageCount { get; private set; }

        private void Add(IEnumerable<int> tokens, double weight)
        {
            Tokens.AddRange(tokens);
            Weights.AddRange(Enumerable.Repeat((float)weight, Tokens.Count - Weights.Count));
        }
    }
}
