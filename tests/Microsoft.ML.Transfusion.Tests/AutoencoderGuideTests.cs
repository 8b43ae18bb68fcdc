// The code of docs/autoencoders.md, run for seconds.
namespace Microsoft.ML.Transfusion.Tests;

public class AutoencoderGuideTests
{
    [Fact]
    public void Code_of_the_guide_runs()
    {
        using var temporary = new TemporaryFolder();
        var ml = new MLContext(seed: 1);
        IDataView pictures = TinyTraining.View(ml, TinyTraining.Rows()), heldOut = TinyTraining.View(ml, TinyTraining.Rows(3));
        (string vae, string vq, TimeSpan time) = (temporary.File("vae"), temporary.File("vq"), TimeSpan.FromSeconds(2));

        #region train
        ImageAutoencoderTransformer trained = ml.Generation.Trainers.ImageAutoencoder(maxTrainingTime: time).Fit(pictures);
        double decibels = ml.Generation.EvaluateReconstruction(trained.Transform(heldOut)).PeakSignalToNoiseRatio;
        trained.Autoencoder.SaveFolder(vae);                        // for KlAutoencoder.LoadFolder, and for diffusers
        #endregion

        #region learn
        using KlAutoencoder autoencoder = KlAutoencoder.LoadFolder(vae);          // that one, or one of Stable Diffusion, SDXL, SD3 or FLUX
        TransfusionTransformer model = ml.Generation.Trainers.Transfusion(new TransfusionTrainer.Options
        {
            Autoencoder = autoencoder,
            Image = new ImageCodecConfig { ImageHeight = 32, ImageWidth = 32, PatchSize = 2 },      // of latents: 64 patches of 2×2 places
            MaxTrainingTime = time,
        }).Fit(pictures);
        #endregion

        using (ImageAutoencoderTransformer quantized = ml.Generation.Trainers.ImageAutoencoder(new ImageAutoencoderTrainer.Options { Autoencoder = new AutoencoderConfig { BlockChannels = [8, 8, 8], NumberOfCodes = 16 }, NumberOfSteps = 1 }).Fit(pictures))
            quantized.Autoencoder.SaveFolder(vq);

        #region codes
        using VqAutoencoder codebook = VqAutoencoder.LoadFolder(vq);
        TransfusionTransformer discrete = ml.Generation.Trainers.Transfusion(new TransfusionTrainer.Options
        {
            Autoencoder = codebook,
            ImageObjective = ImageObjective.DiscreteTokens,                       // the one option that switches the recipe
            Transformer = TransformerConfig.Tiny with { QueryKeyNorm = true },
            MaxTrainingTime = time,
        }).Fit(pictures);
        #endregion

        using (trained)
        using (model)
        using (discrete)
        {
            Assert.InRange(decibels, 0, 60);
            Assert.Equal(64, model.Model.Config.Grid.PatchCount);
            Assert.Equal((64, 16), (discrete.Model.Config.Grid.PatchCount, discrete.Model.Config.Latents!.NumberOfCodes));
        }
    }
}
