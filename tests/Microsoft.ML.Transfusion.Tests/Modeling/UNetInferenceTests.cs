using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tests.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Modeling;

public sealed class UNetInferenceTests : IDisposable
{
    private static readonly int[] Prompt = [1, 2, 3];

    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly TransfusionNetwork _network = RandomNetwork.Create(RandomNetwork.Everything, unet: true);
    private readonly CpuInference _inference;

    public UNetInferenceTests() => _inference = new CpuInference(_network);

    public void Dispose()
    {
        _inference.Dispose();
        _network.Dispose();
        _scope.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_denoising_step_gives_the_prediction_of_the_training_network(bool byTorch)
    {
        using IInferenceNetwork inference = byTorch ? new TorchInference(_network) : new CpuInference(_network);
        PatchGrid grid = RandomNetwork.Grid;
        Tensor noisy = randn([1, 3, 4, 4], generator: new Generator(3, CPU)), expected;
        using (no_grad())
        {
            (Tensor vectors, UNetPass? pass) = _network.EmbedImages(noisy, tensor(new long[] { 500 }), grid);
            Tensor positions = cat([_network.EmbedTokens(tensor(Prompt.Select(id => (long)id).ToArray())), vectors[0]], 0).unsqueeze(0);
            Tensor hidden = _network.Forward(positions, new TransfusionMask(7, [[new ImageSpan(3, 4)]]));
            expected = grid.Patchify(_network.PredictImages(hidden.narrow(1, 3, 4), pass, grid));
        }

        RowPass step = Denoise(inference, grid.PatchValues(noisy[0]));

        TensorAssert.Close(expected[0], tensor(step.Result, 4, 12), 1e-4);
    }

    [Fact]
    public void A_picture_gives_the_same_bits_alone_among_others_and_with_guidance_beside_it()
    {
        float[][] pictures = [.. Enumerable.Range(0, 7).Select(seed => RandomNetwork.Grid.PatchValues(randn([3, 4, 4], generator: new Generator((ulong)seed, CPU))))];
        float[][] alone = [.. pictures.Select(picture => Denoise(_inference, picture).Result)];
        List<RowPass> passes = [];
        foreach (float[] picture in pictures)
        {
            PassPart part = PassPart.Image(picture, 4, timestep: 500);
            passes.AddRange([new RowPass(Read(_inference, Prompt), [part], PassResult.Patches, Keeps: false), new RowPass(Read(_inference, 5), [part], PassResult.Patches, Keeps: false)]);
        }

        _inference.Run(passes);

        Assert.Equal(alone, passes.Where((_, at) => at % 2 == 0).Select(pass => pass.Result));
        Assert.DoesNotContain(passes.Where((_, at) => at % 2 == 1).Select(pass => pass.Result), result => alone.Any(other => other.SequenceEqual(result)));
        foreach (RowPass pass in passes)
            pass.Cache.Dispose();
    }

    [Fact]
    public void A_pass_leaves_no_tensors()
    {
        float[] picture = RandomNetwork.Grid.PatchValues(zeros(3, 4, 4));
        using RowCache cache = Read(_inference, Prompt);
        Run();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;

        for (int i = 0; i < 10; i++)
            Run();

        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);

        void Run() => _inference.Run([new RowPass(cache, [PassPart.Image(picture, 4, timestep: 10)], PassResult.Patches, Keeps: false)]);
    }

    private static RowCache Read(IInferenceNetwork inference, params int[] tokens)
    {
        RowCache cache = inference.CreateCache(32);
        inference.Run([new RowPass(cache, [PassPart.Tokens(tokens)], PassResult.None)]);
        return cache;
    }

    private static RowPass Denoise(IInferenceNetwork inference, float[] patches)
    {
        using RowCache cache = Read(inference, Prompt);
        var pass = new RowPass(cache, [PassPart.Image(patches, 4, timestep: 500)], PassResult.Patches, Keeps: false);
        inference.Run([pass]);
        return pass;
    }
}
